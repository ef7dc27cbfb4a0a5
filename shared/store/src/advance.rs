//! The end of an issuance: certificate, order and issuer move on together.
//!
//! Invariant: one statement, and certificates are locked before orders, orders before issuers.

use crate::Error;
use crate::revocation::reason_of;
use certmill_domain::ids::{CertificateId, IssuerId, OrderId, VersionId};
use certmill_domain::revocation::RevocationReason;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// What an issued version changes in its certificate.
#[derive(Debug, Clone)]
pub struct Advance {
    /// The certificate.
    pub id: CertificateId,
    /// The generation that was issued.
    pub generation: i32,
    /// The stored version.
    pub version_id: VersionId,
    /// The order that brought it.
    pub order_id: OrderId,
    /// Who signed it.
    pub issuer_id: IssuerId,
    /// End of the version.
    pub not_after: OffsetDateTime,
    /// Renewal instant of the version.
    pub renew_at: OffsetDateTime,
}

/// Moves certificates to their new versions, marks the orders that brought them as issued and
/// notes that their issuers answered, set-wise; an older generation never wins. Answers those whose
/// new versions are to be revoked, and why: their key was reported as compromised, or their end was
/// asked for, while the version was under way. The latter stay at rest.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn advance_all(
    conn: &mut PgConnection,
    advances: &[Advance],
) -> Result<Vec<(CertificateId, RevocationReason)>, Error> {
    // Orders and issuers wait for the count, so that certificates are locked first. An issuer is
    // touched once in five seconds: a batch of issuances must not queue on one hot row.
    let moved: Vec<(Uuid, Option<i16>)> = sqlx::query_as(
        "WITH moved AS (
             UPDATE certificate c
             SET status = 'issued', generation = t.generation, version_id = t.version_id,
                 not_after = t.not_after,
                 renew_at = CASE WHEN c.stop_reason IS NULL THEN t.renew_at END,
                 sweep_at = CASE WHEN c.stop_reason IS NULL THEN t.renew_at END,
                 fault_code = CASE WHEN c.stop_reason IS NOT NULL THEN c.fault_code END,
                 fault_detail = CASE WHEN c.stop_reason IS NOT NULL THEN c.fault_detail END,
                 updated_at = clock_timestamp()
             FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
                  AS t (id, generation, version_id, not_after, renew_at)
             WHERE c.id = ANY ($1) AND c.id = t.id AND c.generation < t.generation
             RETURNING c.id, CASE WHEN c.key_compromised OR EXISTS (
                 SELECT 1 FROM version v JOIN compromised_key k ON k.spki_sha256 = v.spki_sha256
                 WHERE v.id = t.version_id) THEN $6::smallint ELSE c.stop_reason END AS reason),
         certificates AS (SELECT count(*) AS moved FROM moved),
         orders AS (
             UPDATE cert_order SET state = 'issued', updated_at = clock_timestamp()
             WHERE id = ANY ($7) AND (SELECT moved FROM certificates) >= 0
             RETURNING 1),
         issuers AS (
             UPDATE issuer SET last_ok_at = clock_timestamp() WHERE id = ANY (ARRAY(
                 SELECT id FROM issuer WHERE id = ANY ($8)
                   AND (last_ok_at IS NULL OR last_ok_at < clock_timestamp() - interval '5 s')
                   AND (SELECT count(*) FROM orders) >= 0
                 ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)))
         SELECT id, reason FROM moved",
    )
    .bind(advances.iter().map(|one| one.id.0).collect::<Vec<_>>())
    .bind(
        advances
            .iter()
            .map(|one| one.generation)
            .collect::<Vec<_>>(),
    )
    .bind(
        advances
            .iter()
            .map(|one| one.version_id.0)
            .collect::<Vec<_>>(),
    )
    .bind(advances.iter().map(|one| one.not_after).collect::<Vec<_>>())
    .bind(advances.iter().map(|one| one.renew_at).collect::<Vec<_>>())
    .bind(RevocationReason::KeyCompromise.number())
    .bind(
        advances
            .iter()
            .map(|one| one.order_id.0)
            .collect::<Vec<_>>(),
    )
    .bind(
        advances
            .iter()
            .map(|one| one.issuer_id.0)
            .collect::<Vec<_>>(),
    )
    .fetch_all(conn)
    .await?;
    let stopped = moved
        .into_iter()
        .filter_map(|(id, number)| Some((CertificateId(id), reason_of(number?))));
    Ok(stopped.collect())
}
