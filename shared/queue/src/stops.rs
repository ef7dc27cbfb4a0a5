//! Jobs at work in this process that somebody wants stopped: their handlers hear of it, and one that
//! does not end by itself is dropped.
//!
//! Invariant: a job that is done at its first step costs nothing here, and without jobs at work the
//! database is not asked.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use certmill_domain::ids::JobId;
use certmill_pg::Pool;
use certmill_tasks::Shutdown;
use rand::RngExt;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::wake::STOPS;
use crate::{Hint, Lease, ProcessId, Result, Wake};

/// How often the database is asked while jobs are at work; hints come sooner.
const LOOK_EVERY: Duration = Duration::from_millis(1500);
/// Least time between two looks, however many hints come.
const LOOK_LEAST: Duration = Duration::from_millis(100);

/// How long a handler may take.
#[derive(Debug, Clone, Copy)]
pub struct StopLimits {
    /// From its first step.
    pub deadline: Duration,
    /// From when it heard that it is to stop.
    pub patience: Duration,
}

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<T> {
    /// By itself.
    Itself(T),
    /// It was dropped: it went on though it was asked to stop.
    Stopped,
    /// It was dropped at its deadline.
    TimedOut,
}

/// The jobs at work, by what can be asked of them; all clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct Stops(Arc<Desk>);

#[derive(Debug, Default)]
struct Desk {
    at_work: Mutex<HashMap<JobId, AtWork>>,
    began: Notify,
}

#[derive(Debug)]
struct AtWork {
    fence: i32,
    stop: Shutdown,
}

impl Stops {
    /// Runs a handler to its end, or until it is dropped.
    pub async fn run<F: Future>(
        &self,
        lease: &Lease,
        limits: StopLimits,
        handler: F,
    ) -> Ended<F::Output> {
        let mut handler = pin!(handler);
        // Who is done at once needs no place among those that can be asked.
        if let Poll::Ready(output) = futures::poll!(handler.as_mut()) {
            return Ended::Itself(output);
        }
        let place = self.enter(lease);
        tokio::select! {
            biased;
            output = &mut handler => Ended::Itself(output),
            () = place.stop.requested() => {
                let end = tokio::time::timeout(limits.patience, handler).await;
                end.map_or(Ended::Stopped, Ended::Itself)
            }
            () = tokio::time::sleep(limits.deadline) => Ended::TimedOut,
        }
    }

    /// Whether the job of this lease is to stop; handlers ask between their steps.
    #[must_use]
    pub fn is_asked(&self, lease: &Lease) -> bool {
        let at_work = self.0.lock();
        let job = at_work.get(&lease.job_id);
        job.is_some_and(|job| job.fence == lease.fence && job.stop.is_requested())
    }

    /// Looks for jobs of `process_id` that are to stop, for ever.
    pub async fn watch(&self, pool: &Pool, process_id: ProcessId, mut wake: Wake) {
        loop {
            self.until_some_work().await;
            let pause = LOOK_EVERY.mul_f64(rand::rng().random_range(0.8..=1.2));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = hinted(&mut wake) => {}
            }
            if self.0.lock().is_empty() {
                continue;
            }
            match asked_to_stop(pool, process_id).await {
                Ok(asked) => asked
                    .into_iter()
                    .for_each(|(id, fence)| self.ask(id, fence)),
                Err(error) => warn!(%error, "not known which jobs are to stop"),
            }
            tokio::time::sleep(LOOK_LEAST).await;
        }
    }

    fn ask(&self, id: JobId, fence: i32) {
        if let Some(job) = self.0.lock().get(&id)
            && job.fence == fence
            && !job.stop.is_requested()
        {
            info!(event = "job_asked_to_stop", job = %id);
            job.stop.request();
        }
    }

    async fn until_some_work(&self) {
        while self.0.lock().is_empty() {
            self.0.began.notified().await;
        }
    }

    fn enter(&self, lease: &Lease) -> Place<'_> {
        let stop = Shutdown::new();
        let (fence, job) = (lease.fence, lease.job_id);
        let mut at_work = self.0.lock();
        let idle = at_work.is_empty();
        at_work.insert(
            job,
            AtWork {
                fence,
                stop: stop.clone(),
            },
        );
        drop(at_work);
        if idle {
            self.0.began.notify_one();
        }
        Place {
            desk: &self.0,
            job,
            fence,
            stop,
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, AtWork>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job's place among those at work; dropped, it is gone.
struct Place<'a> {
    desk: &'a Desk,
    job: JobId,
    fence: i32,
    stop: Shutdown,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut at_work = self.desk.lock();
        // The same process may have claimed it again meanwhile.
        if at_work
            .get(&self.job)
            .is_some_and(|job| job.fence == self.fence)
        {
            at_work.remove(&self.job);
        }
    }
}

async fn hinted(wake: &mut Wake) {
    loop {
        match wake.woken().await {
            Hint::Lanes(lanes) if !lanes.contains(STOPS) => {}
            Hint::Lanes(_) | Hint::Anywhere => return,
        }
    }
}

async fn asked_to_stop(pool: &Pool, process_id: ProcessId) -> Result<Vec<(JobId, i32)>> {
    let rows: Vec<(i64, i32)> = sqlx::query_as(include_str!("sql/asked_to_stop.sql"))
        .bind(process_id.0)
        .fetch_all(pool)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, fence)| (JobId(id), fence))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StopLimits = StopLimits {
        deadline: Duration::from_secs(30),
        patience: Duration::from_secs(10),
    };

    fn lease(fence: i32) -> Lease {
        Lease {
            job_id: JobId(7),
            fence,
            token: 1,
            process_id: ProcessId(1),
        }
    }

    #[tokio::test]
    async fn a_job_that_is_done_at_once_takes_no_place() {
        let stops = Stops::default();
        let ended = stops
            .run(&lease(1), LIMITS, async { stops.0.lock().len() })
            .await;
        assert_eq!(ended, Ended::Itself(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_ends_by_itself_is_dropped_or_times_out() {
        let stops = Stops::default();
        let [first, second, third] = [lease(1), lease(2), lease(3)];
        let work = async {
            while !stops.is_asked(&first) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let ask = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            stops.ask(JobId(7), 0);
            assert!(!stops.is_asked(&first), "another owner's");
            stops.ask(JobId(7), 1);
        };
        let (ended, ()) = tokio::join!(stops.run(&first, LIMITS, work), ask);
        assert_eq!(ended, Ended::Itself(()));
        let hang = std::future::pending::<()>;
        let ask = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            stops.ask(JobId(7), 2);
        };
        let began = tokio::time::Instant::now();
        let (ended, ()) = tokio::join!(stops.run(&second, LIMITS, hang()), ask);
        assert_eq!((ended, began.elapsed().as_secs()), (Ended::Stopped, 13));
        assert_eq!(stops.run(&third, LIMITS, hang()).await, Ended::TimedOut);
        assert!(stops.0.lock().is_empty());
    }
}
