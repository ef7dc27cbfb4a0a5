//! The finisher: completes what ended within a few milliseconds in one transaction, together with
//! the effects.
//!
//! Invariant: effects are applied only for jobs whose completion was accepted under the fence, in
//! the same transaction. One poison effect harms only its own job.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use certmill_domain::ids::{JobId, TeamId};
use certmill_pg::{Pool, Tx};
use certmill_tasks::{Backoff, Tasks};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tracing::warn;

use crate::{AtWork, Error, Lease, Unsettled, finish};

/// An error of the effects' own making.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Between tries while the database cannot be reached.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// After a batch of this size more are on their way, and waiting for them saves transactions.
const BUSY_FROM: usize = 4;
/// Handed in and not yet taken; more make their submitters wait.
const BACKLOG: usize = 1024;
/// Batches that are written at once: while one waits for its commit the next one is on its way.
const DESKS: usize = 2;

/// A job that ended well, with what it wants written.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The proof of ownership.
    pub lease: Lease,
    /// The kind of work, which names the effect.
    pub kind: String,
    /// The team that it belongs to.
    pub team_id: TeamId,
    /// The attempt, from 1; spaces the retry if the effect fails.
    pub attempt: i16,
    /// What to write, as data.
    pub effect: Value,
    /// What the history shows as the job's result.
    pub result: Value,
}

/// Writes effects.
pub trait Effects: Send + Sync + 'static {
    /// Writes the effects of jobs whose completion was accepted in this very transaction.
    /// No network call in here; set-wise, ids sorted.
    ///
    /// # Errors
    /// Anything: the transaction is rolled back and the jobs are tried one by one.
    fn apply(
        &self,
        tx: &mut Tx,
        accepted: &[&Finished],
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// How the finisher collects.
#[derive(Debug, Clone)]
pub struct FinisherOptions {
    /// How long a batch stays open while jobs end in quick succession.
    pub window: Duration,
    /// Most jobs in a batch.
    pub max_batch: usize,
    /// How long it tries to reach a database that does not answer.
    pub patience: Duration,
    /// Applies effects whether or not the completion was accepted: the negative control of the
    /// process test. Builds without debug assertions ignore it.
    pub unfenced: bool,
}

impl Default for FinisherOptions {
    fn default() -> Self {
        Self {
            window: Duration::from_millis(3),
            max_batch: 500,
            patience: Duration::from_secs(20),
            unfenced: false,
        }
    }
}

/// What became of a job that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Completed, its effect written.
    Accepted,
    /// Somebody else owns it by now; nothing was written.
    LeaseLost,
    /// Its effect could not be written: the attempt was failed with class retry (or, if the
    /// database cannot be reached, is failed as soon as it can). The text says why.
    Failed(String),
}

/// The way in; cheap to clone. The finisher ends when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Finisher {
    sender: mpsc::Sender<Submitted>,
    at_work: AtWork,
    unsettled: Unsettled,
}

#[derive(Debug)]
struct Submitted {
    finished: Finished,
    verdict: oneshot::Sender<Verdict>,
}

impl Finisher {
    /// Starts the task that collects and writes.
    #[must_use]
    pub fn start<E: Effects>(
        tasks: &Tasks,
        pool: Pool,
        effects: E,
        options: FinisherOptions,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let inbox = Arc::new(Mutex::new(receiver));
        let at_work = AtWork::default();
        let unsettled = Unsettled::start(tasks, pool.clone());
        let desk = Arc::new(Desk {
            pool,
            effects,
            options,
            at_work: at_work.clone(),
            unsettled: unsettled.clone(),
        });
        for _ in 0..DESKS {
            let (desk, inbox) = (desk.clone(), inbox.clone());
            // Not cut short by the shutdown: what handlers end during the grace must be written.
            tasks.spawn("finisher", async move { desk.run(&inbox).await });
        }
        Self {
            sender,
            at_work,
            unsettled,
        }
    }

    /// Where the source counts what it claims for this finisher: when nothing can follow, a batch
    /// closes at once.
    #[must_use]
    pub fn at_work(&self) -> AtWork {
        self.at_work.clone()
    }

    /// Where to leave jobs whose end cannot be written.
    #[must_use]
    pub fn unsettled(&self) -> Unsettled {
        self.unsettled.clone()
    }

    /// Hands in a job that ended well and waits for the verdict.
    pub async fn finish(&self, finished: Finished) -> Verdict {
        let (verdict, answer) = oneshot::channel();
        let gone = || Verdict::Failed("the finisher has ended".to_owned());
        if self
            .sender
            .send(Submitted { finished, verdict })
            .await
            .is_err()
        {
            return gone();
        }
        answer.await.unwrap_or_else(|_| gone())
    }
}

enum Setback {
    /// The connection failed before the commit: nothing was written.
    Unavailable(String),
    /// The connection failed during the commit: it may have been written.
    Unknown(String),
    /// This batch cannot be written as it is.
    Refused(String),
}

struct Desk<E> {
    pool: Pool,
    effects: E,
    options: FinisherOptions,
    at_work: AtWork,
    unsettled: Unsettled,
}

impl<E: Effects> Desk<E> {
    async fn run(&self, inbox: &Mutex<mpsc::Receiver<Submitted>>) {
        let mut last = 0;
        loop {
            let batch = self.collect(&mut *inbox.lock().await, last).await;
            if batch.is_empty() {
                return;
            }
            last = batch.len();
            self.settle(batch).await;
        }
    }

    /// Waits for the next batch; empty once nobody can hand in more.
    async fn collect(&self, inbox: &mut mpsc::Receiver<Submitted>, last: usize) -> Vec<Submitted> {
        let most = self.options.max_batch;
        let mut batch = Vec::with_capacity(most);
        inbox.recv_many(&mut batch, most).await;
        // Whoever comes alone is not kept waiting; what ends while a batch is written makes the
        // next one anyway.
        let window = match last {
            0..BUSY_FROM => Duration::ZERO,
            _ => self.options.window,
        };
        let closes = Instant::now() + window;
        while !batch.is_empty() && batch.len() < most && !self.at_work.nothing_beside(batch.len()) {
            let left = most - batch.len();
            let more = inbox.recv_many(&mut batch, left);
            match tokio::time::timeout_at(closes, more).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        batch
    }

    async fn settle(&self, batch: Vec<Submitted>) {
        let _counted = self.at_work.settling(batch.len());
        let (finished, replies): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|s| (s.finished, s.verdict)).unzip();
        let verdicts = match self.write(&finished).await {
            Ok(verdicts) => verdicts,
            Err(reason) if finished.len() > 1 => {
                warn!(jobs = finished.len(), %reason, "batch not written; trying one by one");
                let mut verdicts = Vec::with_capacity(finished.len());
                for one in &finished {
                    verdicts.push(self.settle_one(one).await);
                }
                verdicts
            }
            Err(reason) => vec![self.give_back(&finished[0], reason).await],
        };
        for ((reply, verdict), one) in replies.into_iter().zip(verdicts).zip(&finished) {
            // A submitter that is gone needs no verdict, but a refusal is told by somebody: a
            // process that noticed its loss has dropped its handlers by now.
            if let Err(Verdict::LeaseLost) = reply.send(verdict) {
                warn!(event = "fence_refused", job = %one.lease.job_id, "its handler is gone");
            }
        }
    }

    async fn settle_one(&self, one: &Finished) -> Verdict {
        match self.write(std::slice::from_ref(one)).await {
            Ok(verdicts) => verdicts.into_iter().next().unwrap_or(Verdict::LeaseLost),
            Err(reason) => self.give_back(one, reason).await,
        }
    }

    /// Writes a batch, through outages up to the patience; `Err` means that it was refused.
    async fn write(&self, batch: &[Finished]) -> Result<Vec<Verdict>, String> {
        let give_up = Instant::now() + self.options.patience;
        let (mut failures, mut in_doubt) = (0, false);
        loop {
            let reason = match self.write_once(batch, in_doubt).await {
                Ok(accepted) => return Ok(verdicts(batch, &accepted)),
                Err(Setback::Refused(reason)) => return Err(reason),
                Err(Setback::Unavailable(reason)) => reason,
                Err(Setback::Unknown(reason)) => {
                    in_doubt = true;
                    reason
                }
            };
            failures += 1;
            let pause = RECONNECT.delay(failures, &mut rand::rng());
            if Instant::now() + pause >= give_up {
                for one in batch {
                    self.unsettled.leave(one.lease, one.attempt, &*reason);
                }
                return Ok(vec![Verdict::Failed(reason); batch.len()]);
            }
            warn!(jobs = batch.len(), %reason, "finish not written yet");
            tokio::time::sleep(pause).await;
        }
    }

    async fn write_once(
        &self,
        batch: &[Finished],
        in_doubt: bool,
    ) -> Result<HashSet<JobId>, Setback> {
        let mut tx = certmill_pg::begin(&self.pool)
            .await
            .map_err(|error| before_commit(error.into()))?;
        let ended: Vec<_> = batch.iter().map(|f| (f.lease, &f.result)).collect();
        let mut accepted: HashSet<JobId> = finish::complete(&mut tx, &ended)
            .await
            .map_err(before_commit)?
            .into_iter()
            .collect();
        let mut written = HashSet::new();
        if in_doubt {
            // An earlier commit's answer was lost. Asked after `complete`, which waits for that
            // transaction if it still holds the rows.
            let leases: Vec<Lease> = batch.iter().map(|f| f.lease).collect();
            let before = finish::was_completed(&mut tx, &leases)
                .await
                .map_err(before_commit)?;
            written.extend(before.into_iter().filter(|id| !accepted.contains(id)));
        }
        if cfg!(debug_assertions) && self.options.unfenced {
            accepted.extend(batch.iter().map(|f| f.lease.job_id));
        }
        let effects: Vec<&Finished> = batch
            .iter()
            .filter(|f| accepted.contains(&f.lease.job_id) && !written.contains(&f.lease.job_id))
            .collect();
        if !effects.is_empty()
            && let Err(error) = self.effects.apply(&mut tx, &effects).await
        {
            // A rollback that fails tells a broken connection from a refused effect.
            return Err(match tx.rollback().await {
                Ok(()) => Setback::Refused(error.to_string()),
                Err(_) => Setback::Unavailable(error.to_string()),
            });
        }
        match tx.commit().await {
            Ok(()) => {
                accepted.extend(written);
                Ok(accepted)
            }
            Err(error) => {
                let error = certmill_pg::Error::from(error);
                Err(match error.leaves_commit_open() {
                    true => Setback::Unknown(error.to_string()),
                    false => before_commit(Error::Database(error)),
                })
            }
        }
    }

    /// Fails the attempt of a job whose effect cannot be written.
    async fn give_back(&self, one: &Finished, reason: String) -> Verdict {
        warn!(job = %one.lease.job_id, kind = %one.kind, %reason, "effect not written");
        let failed = finish::fail_for_retry(
            &self.pool,
            &one.lease,
            one.attempt,
            "effect_failed",
            &reason,
        );
        match failed.await {
            Ok(_) => Verdict::Failed(reason),
            Err(Error::LeaseLost) => Verdict::LeaseLost,
            Err(error) => {
                self.unsettled.leave(one.lease, one.attempt, &*reason);
                Verdict::Failed(format!("{reason}; and failing it: {error}"))
            }
        }
    }
}

fn verdicts(batch: &[Finished], accepted: &HashSet<JobId>) -> Vec<Verdict> {
    let verdict = |f: &Finished| match accepted.contains(&f.lease.job_id) {
        true => Verdict::Accepted,
        false => Verdict::LeaseLost,
    };
    batch.iter().map(verdict).collect()
}

fn before_commit(error: Error) -> Setback {
    match error.is_unavailable() {
        true => Setback::Unavailable(error.to_string()),
        false => Setback::Refused(error.to_string()),
    }
}
