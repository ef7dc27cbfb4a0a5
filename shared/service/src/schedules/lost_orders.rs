//! An open order without a job is nobody's: after a failover that lost commits, or a hand in the tables.
//! Its job is made again.

use super::{Entry, MINUTE, Work};
use crate::Error;
use crate::context::{begin, commit};
use crate::effects::issue::{IssueArgs, KIND};
use certmill_domain::order::issue_key;
use certmill_pg::Pool;
use certmill_queue::enqueue::{NewJob, enqueue_all};
use certmill_store::order::{self, LostOrder};

pub(super) const SCHEDULE: Entry = Entry {
    name: "lost_orders",
    period: |_| MINUTE * 10,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

/// Most orders of one step.
const STEP: i64 = 500;

async fn step(pool: &Pool) -> Result<u64, Error> {
    let mut tx = begin(pool).await?;
    let lost = order::lost(&mut tx, STEP).await?;
    let jobs: Vec<NewJob> = lost.iter().map(job).collect();
    let made = enqueue_all(&mut tx, &jobs).await?;
    commit(tx).await?;
    for one in &lost {
        tracing::warn!(event = "lost_order", certificate = %one.certificate_id, generation = one.generation);
    }
    Ok(made.iter().filter(|one| one.is_new()).count() as u64)
}

fn job(lost: &LostOrder) -> NewJob {
    let (certificate_id, generation) = (lost.certificate_id, lost.generation);
    let args = IssueArgs {
        certificate_id,
        generation,
    };
    let mut job = NewJob::new(lost.team_id, lost.lane.as_str(), KIND, args.to_value());
    job.unique_key = Some(issue_key(certificate_id, generation));
    job.object = Some(certificate_id.to_string());
    job
}
