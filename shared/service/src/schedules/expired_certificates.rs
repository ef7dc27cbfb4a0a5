//! A version that expires without a successor is told once, at once: an event for those who listen, a line
//! in the log. The sweep goes on to renew it.

use super::{Entry, MINUTE, Work};
use crate::Error;
use crate::context::{begin, commit};
use certmill_pg::Pool;
use certmill_store::event::{self, NewEvent};
use certmill_store::expiry::{self, Expired};
use certmill_store::walk;

const NAME: &str = "expired_certificates";

pub(super) const SCHEDULE: Entry = Entry {
    name: NAME,
    period: |_| MINUTE,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

/// About as many certificates in one step.
const STEP: i64 = 500;

async fn step(pool: &Pool) -> Result<u64, Error> {
    let mut tx = begin(pool).await?;
    let Some(from) = walk::hold(&mut tx, NAME).await? else {
        return Ok(0);
    };
    let expired = expiry::since(&mut tx, from, STEP).await?;
    if let Some(last) = expired.last() {
        walk::move_on(&mut tx, NAME, last.not_after).await?;
    }
    let events: Vec<NewEvent> = expired.iter().map(told).collect();
    event::append(&mut tx, &events).await?;
    commit(tx).await?;
    for one in &expired {
        tracing::warn!(event = "certificate_expired", certificate = %one.id, name = one.name);
    }
    Ok(expired.len() as u64)
}

fn told(one: &Expired) -> NewEvent {
    NewEvent {
        team_id: one.team_id,
        topic: "certificate",
        object: one.id.to_string(),
        code: "expired",
        detail: serde_json::json!({ "generation": one.generation, "name": one.name }),
    }
}
