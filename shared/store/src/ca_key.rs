//! Certification authorities that certmill runs itself: certificate in clear, key sealed.

use crate::Error;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns of [`CaKey`], so that each read names them all and in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, parent_id, certificate_der, chain_der, not_after, kek_id, ",
            "key_sealed, retired_at FROM ca_key ",
            $rest
        )
    };
}

/// A stored authority.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CaKey {
    /// Row id; part of the seal's associated data.
    pub id: Uuid,
    /// Its name: `root`, `issuing`, those numbered on by a rollover, or as it was imported.
    pub name: String,
    /// The authority of ours that signed it; none for a root and for an imported one.
    pub parent_id: Option<Uuid>,
    /// Its certificate.
    pub certificate_der: Vec<u8>,
    /// What stands above it, its root last; empty for a root.
    pub chain_der: Vec<Vec<u8>>,
    /// When everything below it must have ended: the earliest end of it and all above it.
    pub not_after: OffsetDateTime,
    /// Id of the KEK that its key is sealed under.
    pub kek_id: String,
    /// Its private key, sealed.
    pub key_sealed: Vec<u8>,
    /// Since when it neither signs certificates nor is a trust anchor.
    pub retired_at: Option<OffsetDateTime>,
}

impl CaKey {
    /// The root that everything below it is verified against.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        self.chain_der.last().unwrap_or(&self.certificate_der)
    }
}

/// Draws the id of a row that will be inserted, since the seal names it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn draw_id(conn: &mut PgConnection) -> Result<Uuid, Error> {
    Ok(sqlx::query_scalar("SELECT new_id()")
        .fetch_one(conn)
        .await?)
}

/// Stores an authority. The unique name makes a second maker fail instead of making a second root.
///
/// # Errors
/// [`Error::Conflict`] on `ca_key_name_unique`.
pub async fn insert(conn: &mut PgConnection, key: &CaKey) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO ca_key (id, name, parent_id, certificate_der, chain_der, not_after, kek_id,
                             key_sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(key.id)
    .bind(&key.name)
    .bind(key.parent_id)
    .bind(&key.certificate_der)
    .bind(&key.chain_der)
    .bind(key.not_after)
    .bind(&key.kek_id)
    .bind(&key.key_sealed)
    .execute(conn)
    .await?;
    Ok(())
}

/// The authority of that name, if it was made.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn by_name(conn: &mut PgConnection, name: &str) -> Result<Option<CaKey>, Error> {
    Ok(sqlx::query_as(select!("WHERE name = $1"))
        .bind(name)
        .fetch_optional(conn)
        .await?)
}

/// The authority of that id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<CaKey, Error> {
    Ok(sqlx::query_as(select!("WHERE id = $1"))
        .bind(id)
        .fetch_one(conn)
        .await?)
}

/// All authorities, oldest first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn list(conn: &mut PgConnection) -> Result<Vec<CaKey>, Error> {
    Ok(sqlx::query_as(select!("ORDER BY id"))
        .fetch_all(conn)
        .await?)
}

/// The certificates of those that are not retired and have not ended, oldest first: theirs are the
/// trust anchors of this installation.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn in_force(conn: &mut PgConnection) -> Result<Vec<CaKey>, Error> {
    Ok(sqlx::query_as(select!(
        "WHERE retired_at IS NULL AND not_after > now() ORDER BY id"
    ))
    .fetch_all(conn)
    .await?)
}

/// How many versions that have not ended hang below each authority. Reads all versions.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn live_versions(conn: &mut PgConnection) -> Result<Vec<(Uuid, i64)>, Error> {
    Ok(sqlx::query_as(
        "SELECT k.id, count(*) FROM version v JOIN ca_key k ON k.certificate_der = v.chain_der[1]
         WHERE v.not_after > now() GROUP BY k.id",
    )
    .fetch_all(conn)
    .await?)
}

/// Retires an authority; a repeat changes nothing.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn retire(conn: &mut PgConnection, id: Uuid) -> Result<(), Error> {
    sqlx::query("UPDATE ca_key SET retired_at = now() WHERE id = $1 AND retired_at IS NULL")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether an authority ever signed a version, or an order waits for it. Reads all orders and versions.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn was_used(conn: &mut PgConnection, id: Uuid) -> Result<bool, Error> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM cert_order WHERE ca_key_id = $1)
             OR EXISTS (SELECT 1 FROM version v JOIN ca_key k ON k.certificate_der = v.chain_der[1]
                        WHERE k.id = $1)",
    )
    .bind(id)
    .fetch_one(conn)
    .await?)
}
