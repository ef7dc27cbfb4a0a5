//! What a verb does to a handful of jobs, in the caller's transaction.
//!
//! Invariant: a job's own rows are seen to as if somebody had asked for that job alone.

use crate::Error;
use crate::jobs::{see_to_cancelled, see_to_retried};
use certmill_domain::ids::{JobId, TeamId};
use certmill_domain::operation::JobVerb;
use certmill_pg::Tx;
use certmill_queue::control::CancelOutcome;
use certmill_queue::many::{self, Touched};
use certmill_queue::selection::Among;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What verbs need besides their jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSettings {
    /// The lane that jobs move to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_queue: Option<String>,
    /// The priority that they get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_priority: Option<i16>,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Did {
    pub(super) done: i64,
    /// Reason and how many.
    pub(super) skipped: BTreeMap<String, i64>,
    /// Lanes that have work now.
    pub(super) lanes: BTreeSet<String>,
    /// Running jobs were asked to stop.
    pub(super) asked_to_stop: bool,
}

impl Did {
    fn skip(&mut self, why: &str) {
        *self.skipped.entry(why.to_owned()).or_default() += 1;
    }

    fn did(&mut self, job: &Touched) {
        self.done += 1;
        self.lanes.insert(job.queue.clone());
    }

    /// Those that were meant and met nothing: they run, or have ended since they were chosen.
    async fn skip_rest(
        &mut self,
        tx: &mut Tx,
        meant: &[JobId],
        met: &BTreeSet<JobId>,
        waiting: &str,
    ) -> Result<(), Error> {
        let rest: Vec<JobId> = meant
            .iter()
            .copied()
            .filter(|id| !met.contains(id))
            .collect();
        if rest.is_empty() {
            return Ok(());
        }
        let live: BTreeMap<JobId, bool> = many::live_among(&mut *tx, &rest)
            .await?
            .into_iter()
            .collect();
        for id in rest {
            match live.get(&id) {
                Some(true) => self.skip("running"),
                Some(false) => self.skip(waiting),
                None => self.skip("ended"),
            }
        }
        Ok(())
    }
}

/// Does it to these jobs, which were chosen among the live or the ended ones.
pub(super) async fn act(
    tx: &mut Tx,
    team: TeamId,
    verb: JobVerb,
    settings: &JobSettings,
    by: &str,
    (among, ids): (Among, &[JobId]),
) -> Result<Did, Error> {
    match (verb, among) {
        (JobVerb::Retry, Among::Ended) => repeat(tx, ids).await,
        (JobVerb::Retry, Among::Live) => hasten(tx, ids).await,
        (JobVerb::Cancel, _) => cancel(tx, team, by, ids).await,
        (JobVerb::Move, _) => shift(tx, settings, ids).await,
    }
}

async fn hasten(tx: &mut Tx, ids: &[JobId]) -> Result<Did, Error> {
    let mut did = Did::default();
    let touched = many::hasten_all(&mut *tx, ids).await?;
    for job in &touched {
        see_to_retried(tx, &job.kind, &job.args).await?;
        did.did(job);
    }
    did.skip_rest(tx, ids, &met(&touched), "busy").await?;
    Ok(did)
}

async fn repeat(tx: &mut Tx, ids: &[JobId]) -> Result<Did, Error> {
    let mut did = Did::default();
    let repeated = many::repeat_all(&mut *tx, ids).await?;
    for (job, enqueued) in &repeated {
        if enqueued.is_new() {
            see_to_retried(tx, &job.kind, &job.args).await?;
            did.did(job);
        } else {
            did.skip("already_live");
        }
    }
    for _ in repeated.len()..ids.len() {
        did.skip("lane_gone");
    }
    Ok(did)
}

async fn cancel(tx: &mut Tx, team: TeamId, by: &str, ids: &[JobId]) -> Result<Did, Error> {
    let mut did = Did::default();
    let cancelled = many::cancel_all(&mut *tx, ids, by).await?;
    for (job, outcome) in &cancelled {
        match outcome {
            CancelOutcome::Cancelled => see_to_cancelled(tx, team, &job.kind, &job.args).await?,
            _ => did.asked_to_stop = true,
        }
        did.done += 1;
    }
    let met = cancelled.iter().map(|(job, _)| job.job_id()).collect();
    did.skip_rest(tx, ids, &met, "busy").await?;
    Ok(did)
}

async fn shift(tx: &mut Tx, settings: &JobSettings, ids: &[JobId]) -> Result<Did, Error> {
    let mut did = Did::default();
    let (queue, priority) = (settings.to_queue.as_deref(), settings.to_priority);
    let touched = many::move_all(&mut *tx, ids, queue, priority).await?;
    touched.iter().for_each(|job| did.did(job));
    did.skip_rest(tx, ids, &met(&touched), "needs_key").await?;
    Ok(did)
}

fn met(touched: &[Touched]) -> BTreeSet<JobId> {
    touched.iter().map(Touched::job_id).collect()
}
