//! What a repeated POST was answered with, written in the transaction of its effect.

use crate::Error;
use sqlx::PgConnection;

/// What the table says about (principal, route, key).
#[derive(Debug, Clone, PartialEq)]
pub enum Reservation {
    /// First use: the caller does the work and stores the answer before it commits.
    Fresh,
    /// Done before with the same body: answer this again.
    Replay(serde_json::Value),
    /// Used before with another body.
    Mismatch,
}

/// Reserves the key. A concurrent twin waits here until the first one's transaction ends.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn reserve(
    conn: &mut PgConnection,
    principal: &str,
    route: &str,
    key: &str,
    body_sha256: &[u8],
) -> Result<Reservation, Error> {
    let inserted = sqlx::query(
        "INSERT INTO idempotency_key (principal, route, key, body_sha256) VALUES ($1, $2, $3, $4)
         ON CONFLICT (principal, route, key) DO NOTHING",
    )
    .bind(principal)
    .bind(route)
    .bind(key)
    .bind(body_sha256)
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Reservation::Fresh);
    }
    let (stored_sha256, response): (Vec<u8>, Option<serde_json::Value>) = sqlx::query_as(
        "SELECT body_sha256, response FROM idempotency_key WHERE principal = $1 AND route = $2 AND key = $3",
    )
    .bind(principal)
    .bind(route)
    .bind(key)
    .fetch_one(conn)
    .await?;
    match response {
        Some(response) if stored_sha256 == body_sha256 => Ok(Reservation::Replay(response)),
        Some(_) => Ok(Reservation::Mismatch),
        None => Err(Error::Corrupt(
            "idempotency_key: committed without an answer".into(),
        )),
    }
}

/// Stores the answer of a fresh reservation.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn store(
    conn: &mut PgConnection,
    principal: &str,
    route: &str,
    key: &str,
    response: &serde_json::Value,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE idempotency_key SET response = $4 WHERE principal = $1 AND route = $2 AND key = $3",
    )
    .bind(principal)
    .bind(route)
    .bind(key)
    .bind(response)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets keys older than a day, at most `limit`; how many went.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn forget_old(conn: &mut PgConnection, limit: i64) -> Result<u64, Error> {
    let gone = sqlx::query(
        "DELETE FROM idempotency_key WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM idempotency_key WHERE created_at < now() - interval '24 hours'
            ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED))",
    )
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(gone.rows_affected())
}
