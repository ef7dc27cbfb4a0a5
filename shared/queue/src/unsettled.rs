//! Jobs whose end could not be written: their attempt is failed as soon as the database takes it.
//!
//! Invariant: no job stays with a living process that is done with it. Failing is fenced: a job whose
//! end was written after all, or that somebody else has by now, is left alone. It counts as an attempt,
//! so that a job whose end never can be written is given up like any other.

use std::time::Duration;

use certmill_pg::Pool;
use certmill_tasks::{Backoff, Tasks};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{Error, Lease, finish};

/// Between tries while the database takes nothing.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));

/// Where such jobs are left; clones lead to the same place. The task that looks after them ends with
/// the last clone, or with the shutdown: then the process gives back all it has.
#[derive(Debug, Clone)]
pub struct Unsettled(mpsc::UnboundedSender<Left>);

#[derive(Debug)]
struct Left {
    lease: Lease,
    attempt: i16,
    why: String,
}

impl Unsettled {
    /// Starts the task.
    #[must_use]
    pub(crate) fn start(tasks: &Tasks, pool: Pool) -> Self {
        // No more than the process holds: what waits here was claimed before the outage.
        let (sender, mut left) = mpsc::unbounded_channel();
        let shutdown = tasks.shutdown_token();
        tasks.spawn("unsettled", async move {
            let settle = async {
                while let Some(one) = left.recv().await {
                    settle(&pool, &one).await;
                }
            };
            shutdown.cut_short(settle).await;
        });
        Self(sender)
    }

    /// Leaves a job here whose end could not be written, with what stood in the way.
    pub fn leave(&self, lease: Lease, attempt: i16, why: impl Into<String>) {
        let why = why.into();
        // After the shutdown nobody listens any more, and nobody needs to.
        self.0
            .send(Left {
                lease,
                attempt,
                why,
            })
            .ok();
    }
}

async fn settle(pool: &Pool, one: &Left) {
    let mut failures = 0;
    loop {
        let error = match finish::fail_for_retry(
            pool,
            &one.lease,
            one.attempt,
            "not_settled",
            &one.why,
        )
        .await
        {
            Ok(_) => {
                info!(job = %one.lease.job_id, "its end could not be written; it is tried again");
                return;
            }
            Err(Error::LeaseLost) => return,
            Err(error) if error.is_unavailable() => error,
            Err(error) => {
                // Others wait behind it; its deadline hands it out again.
                warn!(job = %one.lease.job_id, %error, "its attempt cannot be failed");
                return;
            }
        };
        failures += 1;
        if failures == 1 {
            warn!(job = %one.lease.job_id, %error, "its attempt cannot be failed yet");
        }
        let pause = RETRY.delay(failures, &mut rand::rng());
        tokio::time::sleep(pause).await;
    }
}
