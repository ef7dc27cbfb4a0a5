//! Audit rows and events of one change, in one statement.

use crate::Error;
use crate::audit::NewAudit;
use crate::event::NewEvent;
use sqlx::PgConnection;

/// Writes both, each in its order.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn append(
    conn: &mut PgConnection,
    audits: &[NewAudit],
    events: &[NewEvent],
) -> Result<(), Error> {
    sqlx::query(
        "WITH audited AS (
             INSERT INTO audit (team_id, actor, action, object, request_id, detail)
             SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[]))
         INSERT INTO event (team_id, topic, object, code, detail)
         SELECT * FROM unnest($7::int[], $8::text[], $9::text[], $10::text[], $11::jsonb[])",
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
    .execute(conn)
    .await?;
    Ok(())
}
