//! Rate limits that are back at their full burst need no row.

use super::{Entry, MINUTE, Work};
use crate::Error;
use certmill_coordination::limiter;
use certmill_pg::Pool;

pub(super) const SCHEDULE: Entry = Entry {
    name: "idle_limits",
    period: |_| MINUTE * 10,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

async fn step(pool: &Pool) -> Result<u64, Error> {
    Ok(limiter::prune_limits(pool).await?)
}
