//! Chores that walk along the clock: how far each has come.
//!
//! Invariant: a stretch of time is walked once; the mark moves in the transaction of what was done.

use crate::Error;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Where a chore goes on, held against a second worker until the transaction ends. One that has
/// never walked begins now. None while somebody else walks.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn hold(conn: &mut PgConnection, chore: &str) -> Result<Option<OffsetDateTime>, Error> {
    sqlx::query(
        "INSERT INTO walked_until (chore, at) VALUES ($1, clock_timestamp()) ON CONFLICT DO NOTHING",
    )
    .bind(chore)
    .execute(&mut *conn)
    .await?;
    let row = "SELECT at FROM walked_until WHERE chore = $1 FOR NO KEY UPDATE SKIP LOCKED";
    Ok(sqlx::query_scalar(row)
        .bind(chore)
        .fetch_optional(conn)
        .await?)
}

/// From now on the chore goes on there.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn move_on(
    conn: &mut PgConnection,
    chore: &str,
    to: OffsetDateTime,
) -> Result<(), Error> {
    sqlx::query("UPDATE walked_until SET at = $2 WHERE chore = $1")
        .bind(chore)
        .bind(to)
        .execute(conn)
        .await?;
    Ok(())
}
