//! Audit rows: who did what to which object. Append-only for the application's role.

use crate::Error;
use certmill_domain::ids::TeamId;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// One audit row to be written.
#[derive(Debug, Clone)]
pub struct NewAudit {
    /// The team of the object.
    pub team_id: TeamId,
    /// Who: the shown id of an API key, or `system:<part>`.
    pub actor: String,
    /// What, as a stable code such as `certificate.request`.
    pub action: &'static str,
    /// The shown id of the object.
    pub object: String,
    /// The request that asked for it, if one did.
    pub request_id: Option<String>,
    /// More; never a secret.
    pub detail: serde_json::Value,
}

/// Writes rows in their order.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn append(conn: &mut PgConnection, rows: &[NewAudit]) -> Result<(), Error> {
    let teams: Vec<i32> = rows.iter().map(|row| row.team_id.0).collect();
    let actors: Vec<&str> = rows.iter().map(|row| row.actor.as_str()).collect();
    let actions: Vec<&str> = rows.iter().map(|row| row.action).collect();
    let objects: Vec<&str> = rows.iter().map(|row| row.object.as_str()).collect();
    let requests: Vec<Option<&str>> = rows.iter().map(|row| row.request_id.as_deref()).collect();
    let details: Vec<&serde_json::Value> = rows.iter().map(|row| &row.detail).collect();
    sqlx::query(
        "INSERT INTO audit (team_id, actor, action, object, request_id, detail)
         SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[])",
    )
    .bind(teams)
    .bind(actors)
    .bind(actions)
    .bind(objects)
    .bind(requests)
    .bind(details)
    .execute(conn)
    .await?;
    Ok(())
}

/// One audit row as it is read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AuditRow {
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// More.
    pub detail: serde_json::Value,
}

/// What was done to an object: its newest rows, at most `limit`, oldest first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn of_object(
    conn: &mut PgConnection,
    team: TeamId,
    object: &str,
    limit: u16,
) -> Result<Vec<AuditRow>, Error> {
    let mut rows: Vec<AuditRow> = sqlx::query_as(
        "SELECT at, actor, action, detail FROM audit
         WHERE object = $1 AND team_id = $2 ORDER BY id DESC LIMIT $3",
    )
    .bind(object)
    .bind(team.0)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    rows.reverse();
    Ok(rows)
}
