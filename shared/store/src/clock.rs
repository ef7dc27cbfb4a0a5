//! The database's clock: the only one that decides.

use crate::Error;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Reads the clock now, not at the transaction's start.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn now(conn: &mut PgConnection) -> Result<OffsetDateTime, Error> {
    Ok(sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(conn)
        .await?)
}
