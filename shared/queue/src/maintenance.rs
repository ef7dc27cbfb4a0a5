//! Care for the history's partitions.
//!
//! Invariant: tables are made and dropped only by the owner's function; this role just asks.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::PgConnection;

use crate::Result;

/// Makes the partitions of the coming days and drops those past their retention; answers how many
/// were made and dropped. Call it a few times a day, from one place.
///
/// # Errors
/// The database's; a lock time-out means that the moment was busy: later is soon enough.
pub async fn partition_care(
    conn: &mut PgConnection,
    days_ahead: i32,
    keep_completed_days: i32,
    keep_ended_days: i32,
) -> Result<(i32, i32)> {
    Ok(
        sqlx::query_as("SELECT made, dropped FROM partition_care($1, $2, $3)")
            .bind(days_ahead)
            .bind(keep_completed_days)
            .bind(keep_ended_days)
            .fetch_one(conn)
            .await?,
    )
}
