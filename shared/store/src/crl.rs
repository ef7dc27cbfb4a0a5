//! CRLs and the row that draws their numbers.
//!
//! Invariant: a number is drawn under the lock of the authority's head and committed before anything
//! is signed with it, so that no number ever stands for two lists.

use crate::Error;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The head of an authority, locked until the transaction ends.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Head {
    /// Counts the transactions that revoked something.
    pub revision: i64,
    /// Whether a job that has not read yet will see all of them.
    pub announced: bool,
}

/// What is known of a list without its bytes.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Published {
    /// Its number.
    pub number: i64,
    /// The revision that it shows.
    pub revision: i64,
    /// When it was drawn.
    pub this_update: OffsetDateTime,
    /// When the next one is there at the latest.
    pub next_update: OffsetDateTime,
}

/// A list as it is served.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Served {
    /// Its number.
    pub number: i64,
    /// When it was drawn.
    pub this_update: OffsetDateTime,
    /// When the next one is there at the latest.
    pub next_update: OffsetDateTime,
    /// SHA-256 of the bytes.
    pub sha256: Vec<u8>,
    /// The bytes.
    pub der: Vec<u8>,
    /// The database's clock.
    pub now: OffsetDateTime,
}

/// A list to be published.
#[derive(Debug, Clone)]
pub struct NewCrl {
    /// Whose.
    pub ca_key_id: Uuid,
    /// Its number, from [`draw`].
    pub number: i64,
    /// The revision that it shows.
    pub revision: i64,
    /// When it was drawn.
    pub this_update: OffsetDateTime,
    /// When the next one is there at the latest.
    pub next_update: OffsetDateTime,
    /// How many certificates it names.
    pub entries: i32,
    /// SHA-256 of the bytes.
    pub sha256: Vec<u8>,
    /// The bytes.
    pub der: Vec<u8>,
}

/// Notes that something was revoked under an authority. `true`: enqueue a job that lists it, since
/// none is under way that would see it. The head stays locked until the transaction ends.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn note_revoked(conn: &mut PgConnection, ca_key_id: Uuid) -> Result<bool, Error> {
    ensure_head(&mut *conn, ca_key_id).await?;
    let head = lock_head(&mut *conn, ca_key_id).await?;
    sqlx::query(
        "UPDATE crl_head SET revision = revision + 1, announced = true WHERE ca_key_id = $1",
    )
    .bind(ca_key_id)
    .execute(conn)
    .await?;
    Ok(!head.announced)
}

async fn ensure_head(conn: &mut PgConnection, ca_key_id: Uuid) -> Result<(), Error> {
    sqlx::query("INSERT INTO crl_head (ca_key_id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(ca_key_id)
        .execute(conn)
        .await?;
    Ok(())
}

async fn lock_head(conn: &mut PgConnection, ca_key_id: Uuid) -> Result<Head, Error> {
    Ok(
        sqlx::query_as("SELECT revision, announced FROM crl_head WHERE ca_key_id = $1 FOR UPDATE")
            .bind(ca_key_id)
            .fetch_one(conn)
            .await?,
    )
}

/// Takes up what is to be listed: locks the head, and whoever revokes from now on announces anew.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn take_up(conn: &mut PgConnection, ca_key_id: Uuid) -> Result<Head, Error> {
    ensure_head(&mut *conn, ca_key_id).await?;
    let head = lock_head(&mut *conn, ca_key_id).await?;
    if head.announced {
        sqlx::query("UPDATE crl_head SET announced = false WHERE ca_key_id = $1")
            .bind(ca_key_id)
            .execute(conn)
            .await?;
    }
    Ok(head)
}

/// Draws the next number. Only under the lock of [`take_up`].
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn draw(conn: &mut PgConnection, ca_key_id: Uuid) -> Result<i64, Error> {
    Ok(sqlx::query_scalar(
        "UPDATE crl_head SET drawn = drawn + 1 WHERE ca_key_id = $1 RETURNING drawn",
    )
    .bind(ca_key_id)
    .fetch_one(conn)
    .await?)
}

/// The last list of an authority, if there is one.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn last(conn: &mut PgConnection, ca_key_id: Uuid) -> Result<Option<Published>, Error> {
    Ok(sqlx::query_as(
        "SELECT number, revision, this_update, next_update FROM crl
         WHERE ca_key_id = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(ca_key_id)
    .fetch_optional(conn)
    .await?)
}

/// The last list of an authority with its bytes, if there is one.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn served(conn: &mut PgConnection, ca_key_id: Uuid) -> Result<Option<Served>, Error> {
    Ok(sqlx::query_as(
        "SELECT number, this_update, next_update, sha256, der, clock_timestamp() AS now FROM crl
         WHERE ca_key_id = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(ca_key_id)
    .fetch_optional(conn)
    .await?)
}

/// Publishes a list. One that comes after a later number is kept, but never served.
///
/// # Errors
/// [`Error::Conflict`] on `crl_pkey` would be a number that was used twice.
pub async fn publish(conn: &mut PgConnection, crl: &NewCrl) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO crl (ca_key_id, number, revision, this_update, next_update, entries, sha256, der)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(crl.ca_key_id)
    .bind(crl.number)
    .bind(crl.revision)
    .bind(crl.this_update)
    .bind(crl.next_update)
    .bind(crl.entries)
    .bind(&crl.sha256)
    .bind(&crl.der)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets lists that ended more than 30 days ago, but never the last one of an authority.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn forget_old(conn: &mut PgConnection) -> Result<u64, Error> {
    let gone = sqlx::query(
        "DELETE FROM crl c WHERE c.next_update < clock_timestamp() - interval '30 days'
           AND EXISTS (SELECT 1 FROM crl n WHERE n.ca_key_id = c.ca_key_id AND n.number > c.number)",
    )
    .execute(conn)
    .await?;
    Ok(gone.rows_affected())
}

/// Authorities that need a new list: none is there yet, something was revoked since the last one,
/// or more than half of its time is over. Each comes with its certificate, since not every one may
/// sign lists. Ended authorities list nothing any more.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn due(conn: &mut PgConnection) -> Result<Vec<(Uuid, Vec<u8>)>, Error> {
    Ok(sqlx::query_as(
        "SELECT k.id, k.certificate_der FROM ca_key k
         LEFT JOIN crl_head h ON h.ca_key_id = k.id
         LEFT JOIN LATERAL (SELECT c.revision, c.this_update, c.next_update FROM crl c
                            WHERE c.ca_key_id = k.id ORDER BY c.number DESC LIMIT 1) l ON true
         WHERE k.not_after > clock_timestamp() AND length(k.key_sealed) > 0
           AND (l.revision IS NULL OR l.revision < coalesce(h.revision, 0)
                OR clock_timestamp() >= l.this_update + (l.next_update - l.this_update) / 2)
         ORDER BY k.id",
    )
    .fetch_all(conn)
    .await?)
}

/// All authorities: id, the one above, certificate.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn authorities(
    conn: &mut PgConnection,
) -> Result<Vec<(Uuid, Option<Uuid>, Vec<u8>)>, Error> {
    Ok(
        sqlx::query_as("SELECT id, parent_id, certificate_der FROM ca_key ORDER BY id")
            .fetch_all(conn)
            .await?,
    )
}
