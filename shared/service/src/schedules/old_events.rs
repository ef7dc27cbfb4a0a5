//! Events are for streams; what must be kept stands in the audit trail.

use super::{Entry, HOUR, Work};
use crate::Error;
use crate::context::{begin, commit};
use certmill_pg::Pool;
use certmill_store::event;

pub(super) const SCHEDULE: Entry = Entry {
    name: "old_events",
    period: |_| HOUR,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

async fn step(pool: &Pool) -> Result<u64, Error> {
    let mut tx = begin(pool).await?;
    let gone = event::forget_old(&mut tx).await?;
    commit(tx).await?;
    Ok(gone)
}
