//! The door through which the first admin comes: open until a row says that it is closed.

use crate::Error;
use certmill_domain::ids::TeamId;
use sqlx::PgConnection;

/// Closes the door; `false` if it was closed before. A concurrent caller waits here until this
/// transaction ends, and goes through only if it was rolled back.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn close(conn: &mut PgConnection, closed_by: &str) -> Result<bool, Error> {
    let closed = sqlx::query(
        "INSERT INTO bootstrap_door (closed_by) VALUES ($1) ON CONFLICT (id) DO NOTHING",
    )
    .bind(closed_by)
    .execute(conn)
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// Whether the first admin can still come in: nobody closed the door, and the team never had an
/// admin's key. The second half holds against a replica of the release that knew no door.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn is_open(conn: &mut PgConnection, team: TeamId) -> Result<bool, Error> {
    Ok(sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT 1 FROM bootstrap_door)
            AND NOT EXISTS (SELECT 1 FROM api_key WHERE team_id = $1 AND role = 'admin')",
    )
    .bind(team.0)
    .fetch_one(conn)
    .await?)
}
