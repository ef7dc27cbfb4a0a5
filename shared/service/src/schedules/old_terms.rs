//! Terms of leadership are kept for people who ask what happened, not for ever.

use super::{Entry, HOUR, Work};
use crate::Error;
use certmill_coordination::leader;
use certmill_pg::Pool;

pub(super) const SCHEDULE: Entry = Entry {
    name: "old_terms",
    period: |_| HOUR,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

/// Terms of each leadership that are kept.
const KEEP: i64 = 1_000;

async fn step(pool: &Pool) -> Result<u64, Error> {
    Ok(leader::prune_terms(pool, KEEP).await?)
}
