//! API keys: only their hash is stored.

use crate::Error;
use certmill_domain::ids::{ApiKeyId, TeamId};
use sqlx::PgConnection;
use uuid::Uuid;

/// A key that is valid now.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its team.
    pub team_id: TeamId,
    /// `admin`, `operator` or `viewer`.
    pub role: String,
    /// SHA-256 of the whole key.
    pub secret_sha256: Vec<u8>,
}

/// Stores a key's hash.
///
/// # Errors
/// [`Error::Conflict`] on `api_key_prefix_unique`.
pub async fn insert(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
    role: &str,
    prefix: &str,
    secret_sha256: &[u8],
) -> Result<ApiKeyId, Error> {
    let id: Uuid = sqlx::query_scalar(
        "INSERT INTO api_key (team_id, name, role, prefix, secret_sha256)
         VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(team.0)
    .bind(name)
    .bind(role)
    .bind(prefix)
    .bind(secret_sha256)
    .fetch_one(conn)
    .await?;
    Ok(ApiKeyId(id))
}

/// The key with that prefix, unless it is revoked or has expired by the database's clock.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn valid_by_prefix(
    conn: &mut PgConnection,
    prefix: &str,
) -> Result<Option<ApiKey>, Error> {
    let row: Option<(Uuid, i32, String, Vec<u8>)> = sqlx::query_as(
        "SELECT id, team_id, role, secret_sha256 FROM api_key
         WHERE prefix = $1 AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > clock_timestamp())",
    )
    .bind(prefix)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(id, team_id, role, secret_sha256)| ApiKey {
        id: ApiKeyId(id),
        team_id: TeamId(team_id),
        role,
        secret_sha256,
    }))
}

/// Whether any key was ever made.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn exist(conn: &mut PgConnection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_key)")
        .fetch_one(conn)
        .await?)
}
