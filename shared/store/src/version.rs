//! Versions: the issued chains of certificates.

use crate::Error;
use crate::error::corrupt;
use crate::revocation::reason_of;
use certmill_domain::ids::{CertificateId, IssuerId, OrderId, TeamId, VersionId};
use certmill_domain::revocation::RevocationReason;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns of [`Row`], so that each read names them all and in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, generation, serial, not_before, not_after, issued_at, fingerprint, ",
            "spki_sha256, leaf_der, chain_der, revoked_at, revocation_reason FROM version ",
            $rest
        )
    };
}

/// A version to be stored.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The team of its certificate.
    pub team_id: TeamId,
    /// Its certificate.
    pub certificate_id: CertificateId,
    /// Its generation.
    pub generation: i32,
    /// The order that it came from.
    pub order_id: OrderId,
    /// Who signed it.
    pub issuer_id: IssuerId,
    /// The authority of ours whose key signed it, if one did.
    pub ca_key_id: Option<Uuid>,
    /// Its serial number.
    pub serial: Serial,
    /// Its dates.
    pub validity: Validity,
    /// SHA-256 of the leaf.
    pub fingerprint: Vec<u8>,
    /// SHA-256 of the leaf's SubjectPublicKeyInfo.
    pub spki_sha256: Vec<u8>,
    /// The leaf.
    pub leaf_der: Vec<u8>,
    /// The certificates above the leaf, without the root.
    pub chain_der: Vec<Vec<u8>>,
}

/// A stored version.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// Its generation.
    pub generation: i32,
    /// Its serial number.
    pub serial: Serial,
    /// Its dates.
    pub validity: Validity,
    /// When it was stored.
    pub issued_at: OffsetDateTime,
    /// SHA-256 of the leaf.
    pub fingerprint: Vec<u8>,
    /// SHA-256 of the leaf's SubjectPublicKeyInfo.
    pub spki_sha256: Vec<u8>,
    /// The leaf.
    pub leaf_der: Vec<u8>,
    /// The certificates above the leaf, without the root.
    pub chain_der: Vec<Vec<u8>>,
    /// When and why it was revoked, if it was.
    pub revoked: Option<(OffsetDateTime, RevocationReason)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    generation: i32,
    serial: Vec<u8>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    issued_at: OffsetDateTime,
    fingerprint: Vec<u8>,
    spki_sha256: Vec<u8>,
    leaf_der: Vec<u8>,
    chain_der: Vec<Vec<u8>>,
    revoked_at: Option<OffsetDateTime>,
    revocation_reason: Option<i16>,
}

impl TryFrom<Row> for Version {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: VersionId(row.id),
            generation: row.generation,
            serial: Serial::from_bytes(&row.serial)
                .ok_or_else(|| corrupt("version.serial", "not 16 octets"))?,
            validity: Validity {
                not_before: row.not_before,
                not_after: row.not_after,
            },
            issued_at: row.issued_at,
            fingerprint: row.fingerprint,
            spki_sha256: row.spki_sha256,
            leaf_der: row.leaf_der,
            chain_der: row.chain_der,
            revoked: row
                .revoked_at
                .zip(row.revocation_reason)
                .map(|(at, number)| (at, reason_of(number))),
        })
    }
}

/// Stores versions in one statement; their ids, and when that was, come back in the order given.
///
/// # Errors
/// [`Error::Conflict`] on `version_generation_unique`: two versions of one generation is a defect.
pub async fn insert_all(
    conn: &mut PgConnection,
    new: &[NewVersion],
) -> Result<Vec<(VersionId, OffsetDateTime)>, Error> {
    let chains: Vec<serde_json::Value> = new
        .iter()
        .map(|one| {
            one.chain_der
                .iter()
                .map(|der| data_encoding::HEXLOWER.encode(der))
                .collect::<Vec<_>>()
                .into()
        })
        .collect();
    let rows: Vec<(Uuid, Uuid, OffsetDateTime)> = sqlx::query_as(
        "INSERT INTO version (team_id, certificate_id, generation, order_id, issuer_id, serial, not_before,
                              not_after, issued_at, fingerprint, spki_sha256, leaf_der, chain_der, ca_key_id)
         SELECT team_id, certificate_id, generation, order_id, issuer_id, serial, not_before, not_after, statement_timestamp(),
                fingerprint, spki_sha256, leaf_der,
                ARRAY(SELECT decode(link, 'hex') FROM jsonb_array_elements_text(chain) WITH ORDINALITY AS l (link, n)
                      ORDER BY n),
                ca_key_id
         FROM unnest($1::int[], $2::uuid[], $3::int[], $4::uuid[], $5::uuid[], $6::bytea[], $7::timestamptz[],
                     $8::timestamptz[], $9::bytea[], $10::bytea[], $11::bytea[], $12::jsonb[], $13::uuid[])
              AS t (team_id, certificate_id, generation, order_id, issuer_id, serial, not_before, not_after,
                    fingerprint, spki_sha256, leaf_der, chain, ca_key_id)
         ORDER BY certificate_id
         RETURNING order_id, id, issued_at",
    )
    .bind(new.iter().map(|one| one.team_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.certificate_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.generation).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.order_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.issuer_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.serial.as_bytes().as_slice()).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.validity.not_before).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.validity.not_after).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.fingerprint.as_slice()).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.spki_sha256.as_slice()).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.leaf_der.as_slice()).collect::<Vec<_>>())
    .bind(chains)
    .bind(new.iter().map(|one| one.ca_key_id).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let stored: std::collections::HashMap<Uuid, (VersionId, OffsetDateTime)> = rows
        .into_iter()
        .map(|(order, id, issued_at)| (order, (VersionId(id), issued_at)))
        .collect();
    new.iter()
        .map(|one| stored.get(&one.order_id.0).copied().ok_or(Error::NotFound))
        .collect()
}

/// The version of that id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_id(conn: &mut PgConnection, id: VersionId) -> Result<Version, Error> {
    let row: Row = sqlx::query_as(select!("WHERE id = $1"))
        .bind(id.0)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// The versions of those ids, in no particular order.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn by_ids(conn: &mut PgConnection, ids: &[VersionId]) -> Result<Vec<Version>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!("WHERE id = ANY($1)"))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(Version::try_from).collect()
}

/// A certificate's versions under generation `below`, newest first, at most `limit`.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn list(
    conn: &mut PgConnection,
    certificate: CertificateId,
    below: Option<i32>,
    limit: i64,
) -> Result<Vec<Version>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        select!("WHERE certificate_id = $1 AND ($2::int IS NULL OR generation < $2) ORDER BY generation DESC LIMIT $3"),
    )
    .bind(certificate.0)
    .bind(below)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Version::try_from).collect()
}

/// The version of that id, if it is one of that certificate's.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn of_certificate(
    conn: &mut PgConnection,
    certificate: CertificateId,
    id: VersionId,
) -> Result<Version, Error> {
    let row: Row = sqlx::query_as(select!("WHERE id = $1 AND certificate_id = $2"))
        .bind(id.0)
        .bind(certificate.0)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// A certificate's versions that have not ended, newest first; revoked ones too.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn live(
    conn: &mut PgConnection,
    certificate: CertificateId,
) -> Result<Vec<Version>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "WHERE certificate_id = $1 AND not_after > clock_timestamp() ORDER BY generation DESC"
    ))
    .bind(certificate.0)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Version::try_from).collect()
}
