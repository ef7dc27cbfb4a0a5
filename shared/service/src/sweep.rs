//! One step of the renewal sweep: due certificates become orders and jobs in one transaction.

use crate::Error;
use crate::context::{begin, commit};
use crate::effects::issue::{IssueArgs, KIND};
use crate::issuing::plan;
use certmill_domain::order::{OrderPlan, issue_key};
use certmill_domain::renewal::priority;
use certmill_pg::Pool;
use certmill_queue::Hinter;
use certmill_queue::enqueue::{NewJob, enqueue_all};
use certmill_queue::raise;
use certmill_queue::{Lease, checkpoint};
use certmill_store::order;
use certmill_store::sweep::{Due, take_due};
use std::collections::BTreeSet;
use time::Duration;

/// Most certificates of one issuer that one step takes.
pub const STEP_MAX: i64 = 500;

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Certificates that were due and taken.
    pub taken: usize,
    /// Jobs that were new; the others were live already.
    pub enqueued: usize,
}

/// Takes due certificates under the sweep job's fence. Repeat while `taken` is not zero.
///
/// # Errors
/// [`Error::LeaseLost`]: another worker sweeps on.
pub async fn step(pool: &Pool, lease: &Lease, hinter: &Hinter) -> Result<Step, Error> {
    let mut tx = begin(pool).await?;
    checkpoint::hold(&mut tx, lease).await?;
    let due = take_due(&mut tx, STEP_MAX).await?;
    let mut orders: Vec<OrderPlan> = Vec::with_capacity(due.len());
    let mut jobs: Vec<NewJob> = Vec::with_capacity(due.len());
    for one in due.iter().filter(|one| !one.at_work) {
        match planned(one) {
            Ok(order) => orders.push(order),
            // Its sweep_at is re-armed: the issuer may be rolled over until then.
            Err(Error::Conflict { code, .. }) => {
                tracing::warn!(event = "renewal_not_planned", certificate = %one.certificate_id, code);
                continue;
            }
            Err(other) => return Err(other),
        }
        jobs.push(job(one));
    }
    order::plan_all(&mut tx, &orders).await?;
    let enqueued = enqueue_all(&mut tx, &jobs).await?;
    commit(tx).await?;
    raise_waiting(pool, &due).await?;
    let lanes: BTreeSet<&str> = due.iter().map(|one| one.lane.as_str()).collect();
    lanes.into_iter().for_each(|lane| hinter.hint(lane));
    let new = enqueued.iter().filter(|one| one.is_new()).count();
    Ok(Step {
        taken: due.len(),
        enqueued: new,
    })
}

/// What waits already becomes more urgent as its certificate's life goes by. In a transaction of its
/// own, without the certificates: whoever finishes a job locks them the other way round.
async fn raise_waiting(pool: &Pool, due: &[Due]) -> Result<(), Error> {
    let waiting: Vec<&Due> = due.iter().filter(|one| one.at_work).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let keys = waiting
        .iter()
        .map(|one| issue_key(one.certificate_id, one.generation + 1));
    let priorities = waiting.iter().map(|one| urgency(one));
    let (keys, priorities): (Vec<_>, Vec<_>) = (keys.collect(), priorities.collect());
    let mut tx = begin(pool).await?;
    raise(&mut tx, &keys, &priorities).await?;
    commit(tx).await
}

fn urgency(due: &Due) -> i16 {
    priority(due.remaining.unwrap_or(Duration::ZERO), due.lifetime)
}

fn planned(due: &Due) -> Result<OrderPlan, Error> {
    plan(
        due.team_id,
        due.certificate_id,
        due.generation + 1,
        due.issuer_id,
        due.lifetime,
        due.authority,
        due.now,
    )
}

fn job(due: &Due) -> NewJob {
    let generation = due.generation + 1;
    let args = IssueArgs {
        certificate_id: due.certificate_id,
        generation,
    };
    let mut job = NewJob::new(due.team_id, due.lane.as_str(), KIND, args.to_value());
    job.unique_key = Some(issue_key(due.certificate_id, generation));
    job.object = Some(due.certificate_id.to_string());
    job.priority = urgency(due);
    job
}
