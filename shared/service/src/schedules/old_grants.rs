//! Grants of CA budgets that no window reaches any more are forgotten.

use super::{Entry, HOUR, Work};
use crate::Error;
use certmill_coordination::budget;
use certmill_pg::Pool;

pub(super) const SCHEDULE: Entry = Entry {
    name: "old_grants",
    period: |_| HOUR,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

async fn step(pool: &Pool) -> Result<u64, Error> {
    Ok(budget::prune_grants(pool).await?)
}
