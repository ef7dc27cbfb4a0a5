//! Audit rows and events of one change, in one statement.
//!
//! Invariant: where the process keeps a history, each audit row is part of it once it is committed.

use crate::Error;
use crate::audit::NewAudit;
use crate::event::NewEvent;
use certmill_pg::{Acknowledged, Tx};
use time::OffsetDateTime;

/// Writes both, each in its order.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn append(tx: &mut Tx, audits: &[NewAudit], events: &[NewEvent]) -> Result<(), Error> {
    let written: Vec<(i64, OffsetDateTime)> = sqlx::query_as(
        "WITH audited AS (
             INSERT INTO audit (team_id, actor, action, object, request_id, detail)
             SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
             RETURNING id, at),
         told AS (
             INSERT INTO event (team_id, topic, object, code, detail)
             SELECT * FROM unnest($7::int[], $8::text[], $9::text[], $10::text[], $11::jsonb[]))
         SELECT id, at FROM audited WHERE $12",
    )
    .bind(audits.iter().map(|row| row.team_id.0).collect::<Vec<_>>())
    .bind(audits.iter().map(|row| row.actor.as_str()).collect::<Vec<_>>())
    .bind(audits.iter().map(|row| row.action).collect::<Vec<_>>())
    .bind(audits.iter().map(|row| row.object.as_str()).collect::<Vec<_>>())
    .bind(audits.iter().map(|row| row.request_id.as_deref()).collect::<Vec<_>>())
    .bind(audits.iter().map(|row| &row.detail).collect::<Vec<_>>())
    .bind(events.iter().map(|row| row.team_id.0).collect::<Vec<_>>())
    .bind(events.iter().map(|row| row.topic).collect::<Vec<_>>())
    .bind(events.iter().map(|row| row.object.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|row| row.code).collect::<Vec<_>>())
    .bind(events.iter().map(|row| &row.detail).collect::<Vec<_>>())
    .bind(tx.is_remembered())
    .fetch_all(&mut **tx)
    .await?;
    // Rows come back in the order in which they were written.
    tx.wrote(written.into_iter().zip(audits).map(acknowledged));
    Ok(())
}

fn acknowledged(((id, at), row): ((i64, OffsetDateTime), &NewAudit)) -> Acknowledged {
    Acknowledged {
        id,
        at,
        team_id: row.team_id.0,
        actor: row.actor.clone(),
        action: row.action,
        object: row.object.clone(),
    }
}
