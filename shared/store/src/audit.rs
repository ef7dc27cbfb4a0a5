//! Audit rows: who did what to which object. Append-only for the application's role.

use crate::{Error, journal};
use certmill_domain::ids::TeamId;
use certmill_pg::Tx;
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
pub async fn append(tx: &mut Tx, rows: &[NewAudit]) -> Result<(), Error> {
    journal::append(tx, rows, &[]).await
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
