//! The ids of the key-encryption keys that this database was written with.

use crate::Error;
use sqlx::PgConnection;

/// Registers the id of a key file for a purpose (`ca` or `app`); a repeat changes nothing.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn register(conn: &mut PgConnection, id: &str, purpose: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO kek (id, purpose) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
        .bind(id)
        .bind(purpose)
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets one transaction at a time decide which ids this database knows; readers are not held up.
/// Without it two makers with different key files would both find none and both register theirs.
///
/// # Errors
/// [`Error::Unavailable`]; only the owner may.
pub async fn lock(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("LOCK TABLE kek IN SHARE ROW EXCLUSIVE MODE")
        .execute(conn)
        .await?;
    Ok(())
}

/// The ids known for a purpose, oldest first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn known(conn: &mut PgConnection, purpose: &str) -> Result<Vec<String>, Error> {
    Ok(
        sqlx::query_scalar("SELECT id FROM kek WHERE purpose = $1 ORDER BY created_at, id")
            .bind(purpose)
            .fetch_all(conn)
            .await?,
    )
}
