//! Keys that sign OCSP answers for an authority: made by an api, certified by a worker.

use crate::Error;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A key to be certified.
#[derive(Debug, Clone)]
pub struct NewResponder {
    /// Its id, drawn beforehand: the seal names it.
    pub id: Uuid,
    /// The authority that it will answer for.
    pub ca_key_id: Uuid,
    /// Its SubjectPublicKeyInfo.
    pub spki_der: Vec<u8>,
    /// Id of the KEK.
    pub kek_id: String,
    /// The sealed private key.
    pub key_sealed: Vec<u8>,
}

/// A key that waits for its certificate.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Pending {
    /// Its id.
    pub id: Uuid,
    /// The authority that it will answer for.
    pub ca_key_id: Uuid,
    /// Its SubjectPublicKeyInfo.
    pub spki_der: Vec<u8>,
}

/// A certified key.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Ready {
    /// Its id.
    pub id: Uuid,
    /// The authority that it answers for.
    pub ca_key_id: Uuid,
    /// The sealed private key.
    pub key_sealed: Vec<u8>,
    /// Its certificate.
    pub certificate_der: Vec<u8>,
    /// End of its certificate.
    pub not_after: OffsetDateTime,
}

/// Stores a key; `false` if another one of its authority waits already.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn insert(conn: &mut PgConnection, new: &NewResponder) -> Result<bool, Error> {
    let done = sqlx::query(
        "INSERT INTO ocsp_responder (id, ca_key_id, spki_der, kek_id, key_sealed) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (ca_key_id) WHERE certificate_der IS NULL DO NOTHING",
    )
    .bind(new.id)
    .bind(new.ca_key_id)
    .bind(&new.spki_der)
    .bind(&new.kek_id)
    .bind(&new.key_sealed)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The key of that id while it waits for its certificate.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn pending(conn: &mut PgConnection, id: Uuid) -> Result<Option<Pending>, Error> {
    Ok(sqlx::query_as(
        "SELECT id, ca_key_id, spki_der FROM ocsp_responder WHERE id = $1 AND certificate_der IS NULL",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Stores the certificate of a key; one that has its certificate keeps that one.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn certify(
    conn: &mut PgConnection,
    id: Uuid,
    serial: &[u8],
    certificate_der: &[u8],
    not_after: OffsetDateTime,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE ocsp_responder SET serial = $2, certificate_der = $3, not_after = $4
         WHERE id = $1 AND certificate_der IS NULL",
    )
    .bind(id)
    .bind(serial)
    .bind(certificate_der)
    .bind(not_after)
    .execute(conn)
    .await?;
    Ok(())
}

/// The certified key of each authority that lasts longest, if it has not ended.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn ready(conn: &mut PgConnection) -> Result<Vec<Ready>, Error> {
    Ok(sqlx::query_as(
        "SELECT DISTINCT ON (ca_key_id) id, ca_key_id, key_sealed, certificate_der, not_after
         FROM ocsp_responder WHERE certificate_der IS NOT NULL AND not_after > clock_timestamp()
         ORDER BY ca_key_id, not_after DESC, id",
    )
    .fetch_all(conn)
    .await?)
}

/// Authorities without a certified key that lasts for `spare_s` seconds more, and the key that
/// waits for its certificate, if one does.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn wanted(
    conn: &mut PgConnection,
    spare_s: f64,
) -> Result<Vec<(Uuid, Option<Uuid>)>, Error> {
    Ok(sqlx::query_as(
        "SELECT k.id, (SELECT p.id FROM ocsp_responder p
                       WHERE p.ca_key_id = k.id AND p.certificate_der IS NULL)
         FROM ca_key k
         WHERE k.not_after > clock_timestamp() AND length(k.key_sealed) > 0
           AND NOT EXISTS (SELECT 1 FROM ocsp_responder r
                           WHERE r.ca_key_id = k.id AND r.certificate_der IS NOT NULL
                             AND r.not_after >= least(k.not_after, clock_timestamp() + make_interval(secs => $1)))
         ORDER BY k.id",
    )
    .bind(spare_s)
    .fetch_all(conn)
    .await?)
}

/// Forgets keys whose certificates ended more than 30 days ago.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn forget_old(conn: &mut PgConnection) -> Result<u64, Error> {
    let gone = sqlx::query(
        "DELETE FROM ocsp_responder WHERE not_after < clock_timestamp() - interval '30 days'",
    )
    .execute(conn)
    .await?;
    Ok(gone.rows_affected())
}
