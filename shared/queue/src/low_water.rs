//! The low-water mark of one lane: where a claim may start to look.
//!
//! Invariant: the mark only hides what an earlier claim has seen; it falls back to the beginning
//! after an empty claim, when a look finds work in a lane that had none, and about every half
//! minute, since late commits and retries may lie below it.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::ClaimedJob;

/// A look from the very beginning is due after this long.
const FULL_LOOK_EVERY: Duration = Duration::from_secs(30);
/// Jobs are due from the begin of the transaction that enqueues them; what such a transaction took
/// until its commit is looked back.
const LATE_COMMIT: Duration = Duration::from_secs(1);

/// Per priority, the oldest `(run_at, id)` of the last claim.
#[derive(Debug, Clone)]
pub struct LowWater {
    marks: [Option<(OffsetDateTime, i64)>; 5],
    since: Instant,
}

impl Default for LowWater {
    fn default() -> Self {
        Self {
            marks: [None; 5],
            since: Instant::now(),
        }
    }
}

impl LowWater {
    /// Looks from the beginning next time.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Looks back a little next time: the lane was quiet, and what is hinted at may have been begun
    /// before the last claim.
    pub(crate) fn look_back(&mut self) {
        for (at, id) in self.marks.iter_mut().flatten() {
            *at -= LATE_COMMIT;
            *id = 0;
        }
    }

    /// Takes over what a claim returned.
    pub fn note(&mut self, claimed: &[ClaimedJob]) {
        if claimed.is_empty() || self.since.elapsed() >= FULL_LOOK_EVERY {
            self.reset();
            return;
        }
        let mut oldest: [Option<(OffsetDateTime, i64)>; 5] = [None; 5];
        for job in claimed {
            let Some(slot) = usize::try_from(job.priority)
                .ok()
                .and_then(|p| oldest.get_mut(p))
            else {
                continue;
            };
            let here = (job.run_at, job.lease.job_id.0);
            *slot = Some(slot.map_or(here, |seen| seen.min(here)));
        }
        for (mark, seen) in self.marks.iter_mut().zip(oldest) {
            *mark = seen.or(*mark);
        }
    }

    pub(crate) fn instants(&self) -> Vec<Option<OffsetDateTime>> {
        self.marks
            .iter()
            .map(|mark| mark.map(|(at, _)| at))
            .collect()
    }

    pub(crate) fn ids(&self) -> Vec<Option<i64>> {
        self.marks
            .iter()
            .map(|mark| mark.map(|(_, id)| id))
            .collect()
    }
}
