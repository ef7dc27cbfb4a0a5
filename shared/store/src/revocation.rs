//! Revoked versions: marked once, listed for CRLs, looked up for OCSP.

use crate::Error;
use crate::error::corrupt;
use certmill_domain::ids::{CertificateId, VersionId};
use certmill_domain::revocation::RevocationReason;
use certmill_domain::serial::Serial;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A version that is to be marked as revoked.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// The version.
    pub version_id: VersionId,
    /// Why.
    pub reason: RevocationReason,
}

/// A version that was marked just now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Marked {
    /// The version.
    #[sqlx(rename = "id")]
    pub version_id: Uuid,
    /// Its generation.
    pub generation: i32,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki_sha256: Vec<u8>,
}

/// An entry of a CRL.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The serial number.
    pub serial: Serial,
    /// When it was revoked.
    pub revoked_at: OffsetDateTime,
    /// Why.
    pub reason: RevocationReason,
}

/// Our authorities that signed those versions, each once with its certificate, in the order of their
/// ids.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn authorities_of(
    conn: &mut PgConnection,
    versions: &[VersionId],
) -> Result<Vec<(Uuid, Vec<u8>)>, Error> {
    Ok(sqlx::query_as(
        "SELECT id, certificate_der FROM ca_key
         WHERE id IN (SELECT ca_key_id FROM version WHERE id = ANY($1)) ORDER BY id",
    )
    .bind(versions.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?)
}

/// Marks versions as revoked at `now`; one that was revoked before keeps its first time and
/// reason, and is not part of the answer.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn mark(
    conn: &mut PgConnection,
    marks: &[Mark],
    now: OffsetDateTime,
) -> Result<Vec<Marked>, Error> {
    Ok(sqlx::query_as(
        "UPDATE version v SET revoked_at = date_trunc('second', $3::timestamptz), revocation_reason = t.reason
         FROM unnest($1::uuid[], $2::smallint[]) AS t (id, reason)
         WHERE v.id = t.id AND v.revoked_at IS NULL
         RETURNING v.id, v.generation, v.serial, v.spki_sha256",
    )
    .bind(marks.iter().map(|mark| mark.version_id.0).collect::<Vec<_>>())
    .bind(marks.iter().map(|mark| mark.reason.number()).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(conn)
    .await?)
}

/// What a list of an authority holds: every revoked version that has not ended, and those that
/// ended since the last list or were revoked since then, so that each is shown once more after its
/// end (RFC 5280, section 3.3).
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn entries(
    conn: &mut PgConnection,
    ca_key_id: Uuid,
    last_update: Option<OffsetDateTime>,
) -> Result<Vec<Entry>, Error> {
    let rows: Vec<(Vec<u8>, OffsetDateTime, i16)> = sqlx::query_as(
        "SELECT serial, revoked_at, revocation_reason FROM version
         WHERE ca_key_id = $1 AND revoked_at IS NOT NULL
           AND ($2::timestamptz IS NULL OR not_after >= $2 OR revoked_at >= $2)
         ORDER BY revoked_at, serial",
    )
    .bind(ca_key_id)
    .bind(last_update)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(serial, revoked_at, number)| {
            Ok(Entry {
                serial: Serial::from_bytes(&serial)
                    .ok_or_else(|| corrupt("version.serial", "not 16 octets"))?,
                revoked_at,
                reason: reason_of(number),
            })
        })
        .collect()
}

/// What is known of a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was never issued under this authority.
    Unknown,
    /// It was issued and not revoked.
    Good,
    /// It was revoked.
    Revoked(OffsetDateTime, RevocationReason),
}

/// The database's clock and what is known of serial numbers under authorities, in their order.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn standings(
    conn: &mut PgConnection,
    authorities: &[Uuid],
    serials: &[Vec<u8>],
) -> Result<(OffsetDateTime, Vec<Standing>), Error> {
    // By way of the issuers, so that the index of (issuer, serial) is enough: one of serials alone
    // would cost each issuance.
    let rows: Vec<StandingRow> = sqlx::query_as(
        "SELECT clock_timestamp() AS now, v.id IS NOT NULL OR r.id IS NOT NULL AS known,
                v.revoked_at, v.revocation_reason
         FROM unnest($2::bytea[]) WITH ORDINALITY AS t (serial, n)
         LEFT JOIN LATERAL (
             SELECT w.id, w.revoked_at, w.revocation_reason FROM issuer i
             JOIN version w ON w.issuer_id = i.id AND w.serial = t.serial
             WHERE w.ca_key_id = ANY($1) LIMIT 1) v ON true
         LEFT JOIN LATERAL (
             SELECT o.id FROM ocsp_responder o
             WHERE o.ca_key_id = ANY($1) AND o.certificate_der IS NOT NULL AND o.serial = t.serial LIMIT 1) r ON true
         ORDER BY t.n",
    )
    .bind(authorities)
    .bind(serials)
    .fetch_all(conn)
    .await?;
    let now = rows.first().map(|row| row.now).ok_or(Error::NotFound)?;
    Ok((now, rows.iter().map(standing).collect()))
}

#[derive(sqlx::FromRow)]
struct StandingRow {
    now: OffsetDateTime,
    known: bool,
    revoked_at: Option<OffsetDateTime>,
    revocation_reason: Option<i16>,
}

fn standing(row: &StandingRow) -> Standing {
    match (row.revoked_at, row.revocation_reason) {
        (Some(at), Some(number)) => Standing::Revoked(at, reason_of(number)),
        _ if row.known => Standing::Good,
        _ => Standing::Unknown,
    }
}

/// What was revoked stays revoked: a reason that this build does not know is shown as unspecified.
pub(crate) fn reason_of(number: i16) -> RevocationReason {
    RevocationReason::from_number(number).unwrap_or_else(|| {
        tracing::warn!(
            event = "row_of_a_newer_build",
            reason = number,
            "shown as unspecified"
        );
        RevocationReason::Unspecified
    })
}

/// Notes that nothing may be signed for these keys any more; a key that is noted stays so.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn note_compromised(
    conn: &mut PgConnection,
    keys: &[(Vec<u8>, CertificateId)],
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO compromised_key (spki_sha256, certificate_id)
         SELECT DISTINCT ON (spki) spki, certificate FROM unnest($1::bytea[], $2::uuid[]) AS t (spki, certificate)
         ORDER BY spki
         ON CONFLICT DO NOTHING",
    )
    .bind(keys.iter().map(|key| key.0.as_slice()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.1.0).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Those of the keys (SHA-256 of SubjectPublicKeyInfo) that were reported as compromised.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn compromised_among(
    conn: &mut PgConnection,
    keys: &[&[u8]],
) -> Result<Vec<Vec<u8>>, Error> {
    Ok(
        sqlx::query_scalar("SELECT spki_sha256 FROM compromised_key WHERE spki_sha256 = ANY($1)")
            .bind(keys)
            .fetch_all(conn)
            .await?,
    )
}

/// Locks certificates in the order of their ids; answers each with its current version.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn lock_certificates(
    conn: &mut PgConnection,
    ids: &[CertificateId],
) -> Result<Vec<(CertificateId, Option<VersionId>)>, Error> {
    let rows: Vec<(Uuid, Option<Uuid>)> = sqlx::query_as(
        "SELECT id, version_id FROM certificate WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, version)| (CertificateId(id), version.map(VersionId)))
        .collect())
}

/// Makes certificates due now: their current versions were revoked and are to be replaced.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn make_due(conn: &mut PgConnection, ids: &[CertificateId]) -> Result<(), Error> {
    sqlx::query(
        "UPDATE certificate SET renew_at = clock_timestamp(), sweep_at = clock_timestamp(),
                updated_at = clock_timestamp()
         WHERE id = ANY($1)",
    )
    .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// From now on the certificate takes no version alive that is under way, and a key that was noted as
/// compromised is not signed for again. Its row is locked by the caller.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn stop(
    conn: &mut PgConnection,
    id: CertificateId,
    reason: RevocationReason,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE certificate c SET stop_reason = $2, updated_at = clock_timestamp(),
                key_compromised = key_compromised OR EXISTS (
                    SELECT 1 FROM compromised_key k WHERE k.spki_sha256 = c.spki_sha256)
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(reason.number())
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a certificate rest until a person renews it. `reported_key` (SHA-256 of its
/// SubjectPublicKeyInfo) says that it also needs another key; one that has got another key since
/// does not rest.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn rest(
    conn: &mut PgConnection,
    id: CertificateId,
    reported_key: Option<&[u8]>,
    fault_code: &str,
    fault_detail: &str,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE certificate SET renew_at = NULL, sweep_at = NULL,
                key_compromised = key_compromised OR $2::bytea IS NOT NULL,
                fault_code = $3, fault_detail = $4, updated_at = clock_timestamp()
         WHERE id = $1 AND ($2::bytea IS NULL OR spki_sha256 = $2)",
    )
    .bind(id.0)
    .bind(reported_key)
    .bind(fault_code)
    .bind(fault_detail)
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives a certificate another key: its CSR from the next order on. `sealed_key` is the id of the
/// KEK and the sealed key, where the server made it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn replace_key(
    conn: &mut PgConnection,
    id: CertificateId,
    csr_der: &[u8],
    spki_sha256: &[u8],
    sealed_key: Option<&(String, Vec<u8>)>,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE certificate SET csr_der = $2, spki_sha256 = $3, kek_id = $4, key_sealed = $5,
                key_compromised = false, fault_code = NULL, fault_detail = NULL,
                updated_at = clock_timestamp()
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(csr_der)
    .bind(spki_sha256)
    .bind(sealed_key.map(|key| key.0.as_str()))
    .bind(sealed_key.map(|key| key.1.as_slice()))
    .execute(conn)
    .await?;
    Ok(())
}
