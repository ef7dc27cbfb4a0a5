//! Jobs that this process has claimed and not begun.
//!
//! Invariant: a job leaves with a slot to run in, best claimed first, or is given back; none is begun
//! so late after its claim that its deadline could pass while it runs in time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::ClaimedJob;
use crate::at_work::Claimed;

/// Most jobs in one hand: many enough to share its cost, few enough to spread over all cores.
const MOST_IN_HAND: usize = 16;
/// Whoever waits longer than this for a slot is given back, for others to take.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(5);

/// A claimed job and the slot that it occupies until the ticket is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) job: ClaimedJob,
    pub(crate) _slot: OwnedSemaphorePermit,
    pub(crate) _counted: Claimed,
}

/// Jobs that run together on one task: what the runtime costs is shared by them.
pub(crate) type Hand = Vec<Ticket>;

/// A claimed job that waits for a slot.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) job: ClaimedJob,
    pub(crate) counted: Claimed,
    pub(crate) since: Instant,
}

/// The line between the claims and the slots; clones are the same line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ahead(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    waiting: Mutex<Option<VecDeque<Waiting>>>,
    changed: Notify,
}

impl Ahead {
    /// An open line.
    pub(crate) fn open() -> Self {
        let ahead = Self::default();
        *ahead.lock() = Some(VecDeque::new());
        ahead
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<Waiting>>> {
        let waiting = self.0.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts jobs at the end.
    pub(crate) fn extend(&self, jobs: impl IntoIterator<Item = Waiting>) {
        if let Some(waiting) = self.lock().as_mut() {
            waiting.extend(jobs);
        }
        self.0.changed.notify_one();
    }

    /// No more jobs come; those that still wait are dropped.
    pub(crate) fn close(&self) {
        *self.lock() = None;
        self.0.changed.notify_one();
    }

    /// Takes out whoever waits too long.
    pub(crate) fn stale(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let Some(waiting) = waiting.as_mut() else {
            return Vec::new();
        };
        let stale = |one: &Waiting| one.since.elapsed() >= STALE_AFTER;
        let until = waiting.iter().take_while(|one| stale(one)).count();
        waiting.drain(..until).collect()
    }

    /// The next jobs, with a slot each; `None` after the end.
    pub(crate) async fn next(&self, slots: &Arc<Semaphore>, cores: usize) -> Option<Hand> {
        loop {
            let slot = slots.clone().acquire_owned().await.ok()?;
            // Jobs end in batches: whoever else ends now gives back a slot before this goes on.
            tokio::task::yield_now().await;
            let hand = self.take(slot, slots, cores)?;
            if !hand.is_empty() {
                return Some(hand);
            }
            self.0.changed.notified().await;
        }
    }

    /// As many jobs as slots are free, spread over the cores; `None` after the end.
    fn take(
        &self,
        slot: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
        cores: usize,
    ) -> Option<Hand> {
        let mut waiting = self.lock();
        let waiting = waiting.as_mut()?;
        let can_run = waiting.len().min(slots.available_permits() + 1);
        let most = can_run.div_ceil(cores).min(MOST_IN_HAND);
        let mut hand = Vec::with_capacity(most);
        let mut free = Some(slot);
        while hand.len() < most
            && let Some(slot) = free
                .take()
                .or_else(|| slots.clone().try_acquire_owned().ok())
            && let Some(one) = waiting.pop_front()
        {
            hand.push(Ticket {
                job: one.job,
                _slot: slot,
                _counted: one.counted,
            });
        }
        Some(hand)
    }
}
