//! Domain events, written in the transaction of what happened.

use crate::Error;
use certmill_domain::ids::TeamId;
use sqlx::PgConnection;

/// One event to be written.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The team of the object.
    pub team_id: TeamId,
    /// What kind of object: `certificate`, `order`, `issuer`.
    pub topic: &'static str,
    /// The shown id of the object.
    pub object: String,
    /// What happened, as a stable code.
    pub code: &'static str,
    /// More, for readers of the stream.
    pub detail: serde_json::Value,
}

/// Writes events in their order.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn append(conn: &mut PgConnection, events: &[NewEvent]) -> Result<(), Error> {
    let teams: Vec<i32> = events.iter().map(|event| event.team_id.0).collect();
    let topics: Vec<&str> = events.iter().map(|event| event.topic).collect();
    let objects: Vec<&str> = events.iter().map(|event| event.object.as_str()).collect();
    let codes: Vec<&str> = events.iter().map(|event| event.code).collect();
    let details: Vec<&serde_json::Value> = events.iter().map(|event| &event.detail).collect();
    sqlx::query(
        "INSERT INTO event (team_id, topic, object, code, detail)
         SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::jsonb[])",
    )
    .bind(teams)
    .bind(topics)
    .bind(objects)
    .bind(codes)
    .bind(details)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets events older than 30 days among the oldest 10,000; how many went. Looked at in the order
/// of their ids, so that a look that finds none reads no more than that.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn forget_old(conn: &mut PgConnection) -> Result<u64, Error> {
    let gone = sqlx::query(
        "DELETE FROM event WHERE id = ANY (ARRAY(
            SELECT id FROM (SELECT id, at FROM event ORDER BY id LIMIT 10000) oldest
            WHERE at < now() - interval '30 days'))",
    )
    .execute(conn)
    .await?;
    Ok(gone.rows_affected())
}
