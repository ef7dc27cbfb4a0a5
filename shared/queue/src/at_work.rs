//! How many jobs this process holds: for its finisher, which closes a batch when nothing can join
//! it, and for its source, which claims when there is room.
//!
//! Invariant: a job counts from its claim until after its verdict, so that nobody closes a batch
//! as the last one while a job of the same claim is about to join it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The counts; all clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct AtWork(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// 0 = not known.
    slots: AtomicUsize,
    claimed: AtomicUsize,
    settling: AtomicUsize,
    ended: AtomicU64,
    /// The source is woken when the count falls to this.
    awaited: AtomicUsize,
    fallen: Notify,
}

impl AtWork {
    /// Counts a claimed job until the answer is dropped.
    #[must_use]
    pub(crate) fn claimed(&self) -> Claimed {
        self.0.claimed.fetch_add(1, Ordering::SeqCst);
        Claimed(self.clone())
    }

    /// How many claimed jobs there are.
    #[must_use]
    pub(crate) fn held(&self) -> usize {
        self.0.claimed.load(Ordering::Acquire)
    }

    /// How many claimed jobs have left again, ever.
    #[must_use]
    pub(crate) fn ended(&self) -> u64 {
        self.0.ended.load(Ordering::Relaxed)
    }

    /// Waits until at most `jobs` are held. For one waiter.
    pub(crate) async fn at_most(&self, jobs: usize) {
        self.0.awaited.store(jobs, Ordering::SeqCst);
        // Looked at after the mark is set: a fall that comes in between is seen here or notified.
        while self.0.claimed.load(Ordering::SeqCst) > jobs {
            self.0.fallen.notified().await;
        }
    }

    /// Counts jobs whose end is being written until the answer is dropped.
    #[must_use]
    pub(crate) fn settling(&self, jobs: usize) -> Settling {
        self.0.settling.fetch_add(jobs, Ordering::Relaxed);
        Settling(self.clone(), jobs)
    }

    /// Tells how many jobs run at once: no more than these can be handed in together.
    pub(crate) fn runs_at_once(&self, slots: usize) {
        self.0.slots.store(slots, Ordering::Relaxed);
    }

    /// Whether nothing can follow these `jobs`. Never true while no claim is counted.
    #[must_use]
    pub(crate) fn nothing_beside(&self, jobs: usize) -> bool {
        let slots = match self.0.slots.load(Ordering::Relaxed) {
            0 => usize::MAX,
            slots => slots,
        };
        let running = self.0.claimed.load(Ordering::Relaxed).min(slots);
        running > 0 && running <= jobs + self.0.settling.load(Ordering::Relaxed)
    }
}

/// One claimed job.
#[derive(Debug)]
pub(crate) struct Claimed(AtWork);

impl Drop for Claimed {
    fn drop(&mut self) {
        let counts = &self.0.0;
        counts.ended.fetch_add(1, Ordering::Relaxed);
        // Only the fall to the mark wakes: a wake for each job would cost more than the job.
        if counts.claimed.fetch_sub(1, Ordering::SeqCst)
            == counts.awaited.load(Ordering::SeqCst) + 1
        {
            counts.fallen.notify_one();
        }
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

    #[tokio::test]
    async fn who_waits_for_room_is_woken_by_the_fall_to_it() {
        let at_work = AtWork::default();
        let mut jobs: Vec<Claimed> = (0..5).map(|_| at_work.clone().claimed()).collect();
        let waiting = at_work.clone();
        let waiter = async move { waiting.at_most(2).await };
        tokio::pin!(waiter);
        for _ in 0..2 {
            jobs.pop();
            assert!(futures::poll!(&mut waiter).is_pending());
        }
        jobs.pop();
        tokio::time::timeout(std::time::Duration::from_secs(5), &mut waiter)
            .await
            .unwrap();
        assert_eq!((at_work.held(), at_work.ended()), (2, 3));
        drop(jobs);
        at_work.at_most(0).await;
    }

    #[test]
    fn a_batch_is_the_last_one_when_it_holds_whatever_is_left() {
        let at_work = AtWork::default();
        assert!(!at_work.nothing_beside(5), "nobody counts");
        let jobs: Vec<Claimed> = (0..5).map(|_| at_work.clone().claimed()).collect();
        assert!(!at_work.nothing_beside(4) && at_work.nothing_beside(5));
        let written = at_work.settling(3);
        assert!(!at_work.nothing_beside(1) && at_work.nothing_beside(2));
        at_work.runs_at_once(4);
        assert!(at_work.nothing_beside(1), "the fifth waits for a slot");
        drop(written);
        assert!(!at_work.nothing_beside(2));
        drop(jobs);
        assert!(!at_work.nothing_beside(0));
    }
}
