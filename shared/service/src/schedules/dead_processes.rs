//! Rows of processes that are dead for a day, and own no job, are of no use.

use super::{Entry, HOUR, Work};
use crate::Error;
use crate::context::{begin, commit};
use certmill_pg::Pool;
use certmill_queue::process;

pub(super) const SCHEDULE: Entry = Entry {
    name: "dead_processes",
    period: |_| HOUR,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

async fn step(pool: &Pool) -> Result<u64, Error> {
    let mut tx = begin(pool).await?;
    let gone = process::prune(&mut tx).await?;
    commit(tx).await?;
    Ok(gone)
}
