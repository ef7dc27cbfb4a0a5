//! Answers that are kept for repeated requests are forgotten after their time.

use super::{Entry, HOUR, Work};
use crate::Error;
use crate::idempotency::forget_old;
use certmill_pg::Pool;

pub(super) const SCHEDULE: Entry = Entry {
    name: "old_idempotency_keys",
    period: |_| HOUR,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

async fn step(pool: &Pool) -> Result<u64, Error> {
    forget_old(pool).await
}
