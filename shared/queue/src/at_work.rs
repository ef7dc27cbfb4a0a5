//! How many jobs of this process could still be handed in to its finisher.
//!
//! Invariant: a job counts from its claim until after its verdict, so that nobody closes a batch
//! as the last one while a job of the same claim is about to join it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The counts; all clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct AtWork(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    claimed: AtomicUsize,
    settling: AtomicUsize,
}

impl AtWork {
    /// Counts a claimed job until the answer is dropped.
    #[must_use]
    pub(crate) fn claimed(&self) -> Claimed {
        self.0.claimed.fetch_add(1, Ordering::Relaxed);
        Claimed(self.clone())
    }

    /// Counts jobs whose end is being written until the answer is dropped.
    #[must_use]
    pub(crate) fn settling(&self, jobs: usize) -> Settling {
        self.0.settling.fetch_add(jobs, Ordering::Relaxed);
        Settling(self.clone(), jobs)
    }

    /// Whether nothing can follow these `jobs`. Never true while no claim is counted.
    #[must_use]
    pub(crate) fn nothing_beside(&self, jobs: usize) -> bool {
        let claimed = self.0.claimed.load(Ordering::Relaxed);
        claimed > 0 && claimed <= jobs + self.0.settling.load(Ordering::Relaxed)
    }
}

/// One claimed job.
#[derive(Debug)]
pub(crate) struct Claimed(AtWork);

impl Drop for Claimed {
    fn drop(&mut self) {
        self.0.0.claimed.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Jobs whose end is being written.
#[derive(Debug)]
pub(crate) struct Settling(AtWork, usize);

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.0.settling.fetch_sub(self.1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_the_last_one_when_it_holds_whatever_is_left() {
        let at_work = AtWork::default();
        assert!(!at_work.nothing_beside(5), "nobody counts");
        let jobs: Vec<Claimed> = (0..5).map(|_| at_work.clone().claimed()).collect();
        assert!(!at_work.nothing_beside(4) && at_work.nothing_beside(5));
        let written = at_work.settling(3);
        assert!(!at_work.nothing_beside(1) && at_work.nothing_beside(2));
        drop(written);
        assert!(!at_work.nothing_beside(2));
        drop(jobs);
        assert!(!at_work.nothing_beside(0));
    }
}
