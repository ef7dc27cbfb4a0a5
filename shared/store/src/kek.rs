//! The key-encryption keys that this database knows by their ids, and who can open with which.
//!
//! Invariant: a row is sealed only under a registered id (a foreign key holds it), and of each purpose
//! at most one key seals.

use std::time::Duration;

use crate::Error;
use crate::error::one_row;
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use uuid::Uuid;

/// A registered key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Kek {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// `ca` or `app`.
    pub purpose: String,
    /// Whether it seals; the others only open.
    pub seals: bool,
    /// When it was registered.
    pub created_at: OffsetDateTime,
}

/// What one running process can open with.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Holder {
    /// api, worker, up.
    pub role: String,
    /// The name that people gave it.
    pub label: String,
    /// The id that it seals with.
    pub seals: String,
    /// The ids that it loaded.
    pub kek_ids: Vec<String>,
    /// When it said so.
    pub reported_at: OffsetDateTime,
}

/// Registers the id of a key for a purpose (`ca` or `app`); a repeat changes nothing. The first key
/// of a purpose seals.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn register(conn: &mut PgConnection, id: &str, purpose: &str) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO kek (id, purpose, seals)
         VALUES ($1, $2, NOT EXISTS (SELECT 1 FROM kek WHERE purpose = $2 AND seals))
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(purpose)
    .execute(conn)
    .await?;
    Ok(())
}

/// From now on this registered key seals, and no other one of its purpose.
///
/// # Errors
/// [`Error::NotFound`] if it is not registered for that purpose.
pub async fn let_seal(conn: &mut PgConnection, id: &str, purpose: &str) -> Result<(), Error> {
    // Two statements: the unique index looks at each row as it changes.
    sqlx::query("UPDATE kek SET seals = false WHERE purpose = $2 AND seals AND id <> $1")
        .bind(id)
        .bind(purpose)
        .execute(&mut *conn)
        .await?;
    let changed = sqlx::query("UPDATE kek SET seals = true WHERE id = $1 AND purpose = $2")
        .bind(id)
        .bind(purpose)
        .execute(conn)
        .await?;
    one_row(&changed)
}

/// Forgets a key that does not seal. Answers whether it was there.
///
/// # Errors
/// [`Error::Conflict`] on a foreign key while rows are sealed under it.
pub async fn forget(conn: &mut PgConnection, id: &str) -> Result<bool, Error> {
    let gone = sqlx::query("DELETE FROM kek WHERE id = $1 AND NOT seals")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(gone.rows_affected() == 1)
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

/// The keys of a purpose, oldest first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn known(conn: &mut PgConnection, purpose: &str) -> Result<Vec<Kek>, Error> {
    Ok(sqlx::query_as(
        "SELECT id, purpose, seals, created_at FROM kek WHERE purpose = $1
         ORDER BY created_at, id",
    )
    .bind(purpose)
    .fetch_all(conn)
    .await?)
}

/// A process's report.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// The row of its last report, if it made one.
    pub holder: Option<Uuid>,
    /// api, worker, up.
    pub role: &'a str,
    /// The name that people gave it.
    pub label: &'a str,
    /// `ca` or `app`.
    pub purpose: &'a str,
    /// The id that it seals with.
    pub seals: &'a str,
    /// The ids that it loaded.
    pub kek_ids: &'a [String],
    /// How long it counts.
    pub lease: Duration,
}

/// Writes down what a process can open with; reports of processes that are long gone are removed.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn report(conn: &mut PgConnection, report: &Report<'_>) -> Result<Uuid, Error> {
    let lease = PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(report.lease.as_micros()).unwrap_or(i64::MAX),
    };
    Ok(sqlx::query_scalar(
        "WITH gone AS (DELETE FROM kek_holder WHERE expires_at < now() - interval '1 hour')
         INSERT INTO kek_holder (id, role, label, purpose, seals, kek_ids, expires_at)
         VALUES (coalesce($1, new_id()), $2, $3, $4, $5, $6, clock_timestamp() + $7)
         ON CONFLICT (id) DO UPDATE SET seals = excluded.seals, kek_ids = excluded.kek_ids,
             reported_at = clock_timestamp(), expires_at = excluded.expires_at
         RETURNING id",
    )
    .bind(report.holder)
    .bind(report.role)
    .bind(report.label)
    .bind(report.purpose)
    .bind(report.seals)
    .bind(report.kek_ids)
    .bind(lease)
    .fetch_one(conn)
    .await?)
}

/// Ends a process's report: it does not run any more.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn withdraw(conn: &mut PgConnection, holder: Uuid) -> Result<(), Error> {
    sqlx::query("DELETE FROM kek_holder WHERE id = $1")
        .bind(holder)
        .execute(conn)
        .await?;
    Ok(())
}

/// The processes that run now and hold keys of a purpose.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn holders(conn: &mut PgConnection, purpose: &str) -> Result<Vec<Holder>, Error> {
    Ok(sqlx::query_as(
        "SELECT role, label, seals, kek_ids, reported_at FROM kek_holder
         WHERE purpose = $1 AND expires_at > clock_timestamp() ORDER BY label, id",
    )
    .bind(purpose)
    .fetch_all(conn)
    .await?)
}
