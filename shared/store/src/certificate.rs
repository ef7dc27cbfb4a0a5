//! Certificates as rows: the lasting intent and what is known of its current version.

use crate::Error;
use crate::error::{corrupt, newer, readable};
use certmill_domain::certificate::CertificateStatus;
use certmill_domain::ids::{CertificateId, IssuerId, ProfileId, TeamId, VersionId};
use certmill_domain::names::Names;
use certmill_domain::profile::KeySource;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns of [`Row`] in a read from `certificate c`, so that all reads name them in one place.
macro_rules! certificate_columns {
    () => {
        "c.id, c.team_id, c.name, c.names, c.profile_id, c.issuer_id, c.key_source, c.csr_der, \
         c.spki_sha256, c.status, c.generation, c.version_id, c.not_after, c.renew_at, c.sweep_at, \
         c.fault_code, c.fault_detail, c.key_compromised, c.created_at"
    };
}
pub(crate) use certificate_columns;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificate c ",
            $rest
        )
    };
}

/// A stored certificate. The sealed key is read apart, by [`sealed_key`].
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Its id.
    pub id: CertificateId,
    /// Its team.
    pub team_id: TeamId,
    /// Its name, unique in the team.
    pub name: String,
    /// What it speaks for.
    pub names: Names,
    /// Its profile.
    pub profile_id: ProfileId,
    /// Who signs it.
    pub issuer_id: IssuerId,
    /// Who made its key.
    pub key_source: KeySource,
    /// The CSR that each order carries.
    pub csr_der: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki_sha256: Vec<u8>,
    /// Its status.
    pub status: CertificateStatus,
    /// Generation of the current version; 0 before the first.
    pub generation: i32,
    /// The current version.
    pub version_id: Option<VersionId>,
    /// End of the current version.
    pub not_after: Option<OffsetDateTime>,
    /// Renewal instant of the current version.
    pub renew_at: Option<OffsetDateTime>,
    /// When a sweep looks at it next.
    pub sweep_at: Option<OffsetDateTime>,
    /// Fault of the last order, if it ended in one: code and detail.
    pub fault: Option<(String, String)>,
    /// Whether its key was reported as known to others: nothing is signed for it any more.
    pub key_compromised: bool,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
}

/// A certificate to be stored.
#[derive(Debug, Clone)]
pub struct NewCertificate {
    /// Its id where a seal had to name it beforehand (see [`draw_id`]); else the database draws it.
    pub id: Option<CertificateId>,
    /// The team that it belongs to.
    pub team_id: TeamId,
    /// Its name.
    pub name: String,
    /// What it speaks for.
    pub names: Names,
    /// Its profile.
    pub profile_id: ProfileId,
    /// Who signs it.
    pub issuer_id: IssuerId,
    /// Who made its key.
    pub key_source: KeySource,
    /// The CSR that each order carries.
    pub csr_der: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki_sha256: Vec<u8>,
    /// Its sealed private key and the id of the KEK, if the server made it.
    pub sealed_key: Option<(String, Vec<u8>)>,
    /// Whether sweeps renew it.
    pub auto_renew: bool,
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: Uuid,
    team_id: i32,
    name: String,
    names: Vec<String>,
    profile_id: Uuid,
    issuer_id: Uuid,
    key_source: String,
    csr_der: Vec<u8>,
    spki_sha256: Vec<u8>,
    status: String,
    generation: i32,
    version_id: Option<Uuid>,
    not_after: Option<OffsetDateTime>,
    renew_at: Option<OffsetDateTime>,
    sweep_at: Option<OffsetDateTime>,
    fault_code: Option<String>,
    fault_detail: Option<String>,
    key_compromised: bool,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Certificate {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: CertificateId(row.id),
            team_id: TeamId(row.team_id),
            name: row.name,
            names: Names::parse(&row.names).map_err(|why| corrupt("certificate.names", why))?,
            profile_id: ProfileId(row.profile_id),
            issuer_id: IssuerId(row.issuer_id),
            key_source: row
                .key_source
                .parse()
                .map_err(|_| newer("certificate.key_source", &row.key_source))?,
            csr_der: row.csr_der,
            spki_sha256: row.spki_sha256,
            status: row
                .status
                .parse()
                .map_err(|_| newer("certificate.status", &row.status))?,
            generation: row.generation,
            version_id: row.version_id.map(VersionId),
            not_after: row.not_after,
            renew_at: row.renew_at,
            sweep_at: row.sweep_at,
            fault: row
                .fault_code
                .map(|code| (code, row.fault_detail.unwrap_or_default())),
            key_compromised: row.key_compromised,
            created_at: row.created_at,
        })
    }
}

/// Draws the id of a certificate that will be inserted, since the seal of its key names it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn draw_id(conn: &mut PgConnection) -> Result<CertificateId, Error> {
    Ok(CertificateId(
        sqlx::query_scalar("SELECT new_id()")
            .fetch_one(conn)
            .await?,
    ))
}

/// Stores certificates in one statement; the answer has their ids in the order given, `None`
/// where the team already has one of that name. A sweep looks after ten minutes whether the
/// first job was lost.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn insert_all(
    conn: &mut PgConnection,
    new: &[NewCertificate],
) -> Result<Vec<Option<CertificateId>>, Error> {
    let names: Vec<serde_json::Value> = new.iter().map(|one| one.names.to_texts().into()).collect();
    let rows: Vec<(i32, String, Uuid)> = sqlx::query_as(
        "INSERT INTO certificate (team_id, name, names, profile_id, issuer_id, key_source, csr_der,
                                  spki_sha256, kek_id, key_sealed, auto_renew, id, sweep_at)
         SELECT team_id, name, ARRAY(SELECT jsonb_array_elements_text(names)), profile_id, issuer_id,
                key_source, csr_der, spki_sha256, kek_id, key_sealed, auto_renew,
                coalesce(id, new_id()), clock_timestamp() + interval '10 minutes'
         FROM unnest($1::int[], $2::text[], $3::jsonb[], $4::uuid[], $5::uuid[], $6::text[], $7::bytea[],
                     $8::bytea[], $9::text[], $10::bytea[], $11::bool[], $12::uuid[])
              AS t (team_id, name, names, profile_id, issuer_id, key_source, csr_der, spki_sha256,
                    kek_id, key_sealed, auto_renew, id)
         ORDER BY team_id, name
         ON CONFLICT (team_id, name) DO NOTHING
         RETURNING team_id, name, id",
    )
    .bind(new.iter().map(|one| one.team_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.name.as_str()).collect::<Vec<_>>())
    .bind(names)
    .bind(new.iter().map(|one| one.profile_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.issuer_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.key_source.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.csr_der.as_slice()).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.spki_sha256.as_slice()).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.sealed_key.as_ref().map(|key| key.0.as_str())).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.sealed_key.as_ref().map(|key| key.1.as_slice())).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.auto_renew).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.id.map(|id| id.0)).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let mut ids: std::collections::HashMap<(i32, String), Uuid> = rows
        .into_iter()
        .map(|(team, name, id)| ((team, name), id))
        .collect();
    Ok(new
        .iter()
        .map(|one| {
            ids.remove(&(one.team_id.0, one.name.clone()))
                .map(CertificateId)
        })
        .collect())
}

/// The certificate of that id in a team.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's.
pub async fn by_id(
    conn: &mut PgConnection,
    team: TeamId,
    id: CertificateId,
) -> Result<Certificate, Error> {
    let row: Row = sqlx::query_as(select!("WHERE id = $1 AND team_id = $2"))
        .bind(id.0)
        .bind(team.0)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// The certificates of those ids, of whatever team, in no particular order.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn by_ids(
    conn: &mut PgConnection,
    ids: &[CertificateId],
) -> Result<Vec<Certificate>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!("WHERE id = ANY($1)"))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(Certificate::try_from).collect()
}

/// Like [`by_id`], with the row locked until the transaction ends.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn lock(
    conn: &mut PgConnection,
    team: TeamId,
    id: CertificateId,
) -> Result<Certificate, Error> {
    let row: Row = sqlx::query_as(select!("WHERE id = $1 AND team_id = $2 FOR NO KEY UPDATE"))
        .bind(id.0)
        .bind(team.0)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// Which certificates a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these names, if any are given.
    pub names: Vec<String>,
    /// Only these statuses, if any are given.
    pub statuses: Vec<CertificateStatus>,
}

/// A team's certificates after `after` in the order of their ids, at most `limit`.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn list(
    conn: &mut PgConnection,
    team: TeamId,
    filter: &Filter,
    after: Option<CertificateId>,
    limit: i64,
) -> Result<Vec<Certificate>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "WHERE team_id = $1 AND ($2::uuid IS NULL OR id > $2)
               AND (cardinality($3::text[]) = 0 OR name = ANY($3))
               AND (cardinality($4::text[]) = 0 OR status = ANY($4))
               AND status = ANY ($6) AND key_source = ANY ($7)
             ORDER BY id LIMIT $5"
    ))
    .bind(team.0)
    .bind(after.map(|id| id.0))
    .bind(&filter.names)
    .bind(
        filter
            .statuses
            .iter()
            .map(|status| status.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(limit)
    .bind(CertificateStatus::ALL.map(CertificateStatus::as_str))
    .bind(KeySource::ALL.map(KeySource::as_str))
    .fetch_all(conn)
    .await?;
    readable(rows)
}

/// The sealed private key of a certificate and the id of its KEK, if the server made the key.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn sealed_key(
    conn: &mut PgConnection,
    team: TeamId,
    id: CertificateId,
) -> Result<Option<Vec<u8>>, Error> {
    Ok(
        sqlx::query_scalar("SELECT key_sealed FROM certificate WHERE id = $1 AND team_id = $2")
            .bind(id.0)
            .bind(team.0)
            .fetch_one(conn)
            .await?,
    )
}

/// Notes that the last order ended in a fault. The next sweep that looks at it is set by the share
/// of life that is left; `rest` means that only a person moves it on.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn mark_failed(
    conn: &mut PgConnection,
    id: CertificateId,
    code: &str,
    detail: &str,
    rest: bool,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE certificate
         SET status = CASE WHEN version_id IS NULL OR not_after <= clock_timestamp() THEN 'failed' ELSE status END,
             fault_code = $2, fault_detail = $3, updated_at = clock_timestamp(),
             sweep_at = CASE WHEN $4 THEN NULL ELSE clock_timestamp()
                 + greatest(interval '10 s', least(interval '1 hour',
                     coalesce(not_after - clock_timestamp(), interval '4 hours') / 4)) END
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(code)
    .bind(detail)
    .bind(rest)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a certificate go on that rested or was to end: a person asked for its next version. Sweeps look
/// at it in ten minutes, in case the job was lost; one that is armed already stays so.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn arm(conn: &mut PgConnection, id: CertificateId) -> Result<(), Error> {
    sqlx::query(
        "UPDATE certificate SET stop_reason = NULL,
                sweep_at = coalesce(sweep_at, clock_timestamp() + interval '10 minutes')
         WHERE id = $1 AND (sweep_at IS NULL OR stop_reason IS NOT NULL)",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(())
}
