//! Live jobs found by their unique keys, as their owners know them.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use crate::Result;
use crate::read::JobRow;
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
