//! How fast jobs end here, and so how many of them are worth claiming ahead.
//!
//! Invariant: what is claimed ahead is what would start within [`AHEAD`] at the present pace; where
//! jobs are slow that is nothing, so that no job waits here while another process is idle.

use std::time::{Duration, Instant};

/// How far ahead is claimed.
const AHEAD: Duration = Duration::from_millis(50);
/// About the time of a claim: what ends meanwhile is worth a claim of its own.
const CLAIM: Duration = Duration::from_millis(5);
/// A pace is judged over no less than this.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Jobs ahead, as a multiple of what runs at once.
const AHEAD_MOST: usize = 8;

/// The pace of the jobs of a process.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    ended: u64,
    since: Instant,
}

impl Pace {
    /// Nothing has ended yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            per_second: 0.0,
            ended: 0,
            since: now,
        }
    }

    /// Takes in that `ended` jobs have ended until `now`, ever.
    pub(crate) fn note(&mut self, ended: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < LOOK_AGAIN {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "jobs of some milliseconds")]
        let here = ended.saturating_sub(self.ended) as f64 / passed.as_secs_f64();
        // After a quiet second nothing of the former pace is left.
        let weight = passed.as_secs_f64().clamp(0.3, 1.0);
        self.per_second += (here - self.per_second) * weight;
        (self.ended, self.since) = (ended, now);
    }

    /// How many jobs to hold beside `concurrency` running ones.
    pub(crate) fn ahead(&self, concurrency: usize) -> usize {
        self.within(AHEAD)
            .min(concurrency.saturating_mul(AHEAD_MOST))
    }

    /// The fewest jobs that are worth a claim.
    pub(crate) fn worthwhile(&self) -> usize {
        self.within(CLAIM).max(1)
    }

    fn within(&self, span: Duration) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "neither negative nor beyond a machine's jobs; `as` saturates"
        )]
        let jobs = (self.per_second * span.as_secs_f64()) as usize;
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_jobs_are_claimed_ahead_and_slow_ones_are_not() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!((pace.ahead(50), pace.worthwhile()), (0, 1));
        for tick in 1..=10 {
            pace.note(
                tick * 200,
                start + Duration::from_millis(20) * u32::try_from(tick).unwrap(),
            );
        }
        assert!(
            (350..=500).contains(&pace.ahead(200)),
            "{}",
            pace.ahead(200)
        );
        assert_eq!(pace.ahead(10), 80, "bounded by what runs at once");
        assert!(
            (35..=50).contains(&pace.worthwhile()),
            "{}",
            pace.worthwhile()
        );
        pace.note(2_002, start + Duration::from_secs(3));
        assert_eq!((pace.ahead(200), pace.worthwhile()), (0, 1));
    }
}
