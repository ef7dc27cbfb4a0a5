//! Live jobs found by their unique keys, as their owners know them.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use crate::read::JobRow;
use crate::{JobId, Result};
use sqlx::PgConnection;

/// The live jobs of those keys, each with its key; a key without a live job is left out.
///
/// # Errors
/// The database's.
pub async fn live_by_keys(
    conn: &mut PgConnection,
    keys: &[Vec<u8>],
) -> Result<Vec<(Vec<u8>, JobRow)>> {
    let rows: Vec<JobRow> = sqlx::query_as(include_str!("sql/live_by_keys.sql"))
        .bind(keys)
        .fetch_all(conn)
        .await?;
    let keyed = rows
        .into_iter()
        .filter_map(|row| row.unique_key.clone().map(|key| (key, row)));
    Ok(keyed.collect())
}

/// Makes waiting jobs more urgent: each to the priority given with its key, if it has a lesser one.
/// Jobs that somebody holds are left alone. Answers how many were changed.
///
/// # Errors
/// The database's.
pub async fn raise(conn: &mut PgConnection, keys: &[Vec<u8>], priorities: &[i16]) -> Result<u64> {
    let raised = sqlx::query(include_str!("sql/raise.sql"))
        .bind(keys)
        .bind(priorities)
        .execute(conn)
        .await?;
    Ok(raised.rows_affected())
}

/// Locks the live job of a key, if there is one, until the transaction ends. Who also locks what the
/// job is about does so afterwards, as finishing does; the other way round ends in a deadlock.
///
/// # Errors
/// The database's.
pub async fn lock_live(conn: &mut PgConnection, key: &[u8]) -> Result<Option<JobId>> {
    let id: Option<i64> = sqlx::query_scalar("SELECT id FROM job WHERE unique_key = $1 FOR UPDATE")
        .bind(key)
        .fetch_optional(conn)
        .await?;
    Ok(id.map(JobId))
}
