//! Certification authorities that certmill runs itself: certificate in clear, key sealed.

use crate::Error;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns of [`CaKey`], so that each read names them all and in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, parent_id, certificate_der, not_after, kek_id, key_sealed FROM ",
            "ca_key ",
            $rest
        )
    };
}

/// A stored authority.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CaKey {
    /// Row id; part of the seal's associated data.
    pub id: Uuid,
    /// `root` or `issuing`.
    pub name: String,
    /// The authority that signed it; none for a root.
    pub parent_id: Option<Uuid>,
    /// Its certificate.
    pub certificate_der: Vec<u8>,
    /// End of its certificate.
    pub not_after: OffsetDateTime,
    /// Id of the KEK that its key is sealed under.
    pub kek_id: String,
    /// Its private key, sealed.
    pub key_sealed: Vec<u8>,
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
        "INSERT INTO ca_key (id, name, parent_id, certificate_der, not_after, kek_id, key_sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.id)
    .bind(&key.name)
    .bind(key.parent_id)
    .bind(&key.certificate_der)
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
