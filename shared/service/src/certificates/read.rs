//! Certificates as they are shown, with their version, their live job and what they wait for.

use crate::error::or_not_found;
use crate::{Caller, Context, Error, jobs};
use certmill_crypto::{keys::PrivateKey, seal::Place};
use certmill_domain::certificate::{Snapshot, waiting_on};
use certmill_domain::ids::{CertificateId, JobId, VersionId};
use certmill_domain::order::issue_key;
use certmill_domain::waiting::WaitingOn;
use certmill_pg::Connection;
use certmill_queue::live_by_keys;
use certmill_queue::read::JobRow;
use certmill_store::certificate::{Certificate, Filter};
use certmill_store::version::Version;
use certmill_store::{audit, certificate, shown_by, version};
use secrecy::SecretString;
use std::collections::HashMap;

/// A certificate as it is shown.
#[derive(Debug, Clone)]
pub struct Detail {
    /// The row.
    pub certificate: Certificate,
    /// Its profile's name.
    pub profile: String,
    /// Its issuer's name.
    pub issuer: String,
    /// The current version, if there is one.
    pub version: Option<Version>,
    /// The live job of the next generation, if there is one.
    pub job: Option<JobRow>,
    /// Why it is not healthy, or `None` when it is.
    pub waiting_on: Option<WaitingOn>,
}

/// The certificate of that id.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's.
pub async fn by_id(context: &Context, caller: &Caller, id: CertificateId) -> Result<Detail, Error> {
    let mut conn = context.acquire().await?;
    let detail = one(&mut conn, caller, id, None).await;
    conn.settled_by(detail)
}

/// Like [`by_id`], with a job of the certificate, both read on one connection.
///
/// # Errors
/// [`Error::NotFound`], where either is a foreign team's.
pub async fn with_job(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    job: JobId,
) -> Result<(Detail, JobRow), Error> {
    let mut conn = context.acquire().await?;
    let job = jobs::visible(&mut conn, caller, job).await?;
    let live = (!job.state.is_final()).then_some(&job);
    let detail = one(&mut conn, caller, id, live).await;
    Ok((conn.settled_by(detail)?, job))
}

/// Certificates that this very transaction wrote, each with its first job.
pub(super) async fn just_asked(
    conn: &mut Connection,
    ids: &[CertificateId],
) -> Result<Vec<(Detail, JobRow)>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = certificate::by_ids(conn, ids).await?;
    let live = live_jobs(conn, &rows).await?;
    let details = detail(conn, rows, live).await?.into_iter();
    Ok(details
        .filter_map(|detail| {
            let job = detail.job.clone()?;
            Some((detail, job))
        })
        .collect())
}

/// `job` is a live job that is known already: the one of the next generation need not be looked up.
async fn one(
    conn: &mut Connection,
    caller: &Caller,
    id: CertificateId,
    job: Option<&JobRow>,
) -> Result<Detail, Error> {
    let row = certificate::by_id(conn, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let key = issue_key(row.id, row.generation + 1);
    let live = match job.filter(|job| job.unique_key.as_ref() == Some(&key)) {
        Some(job) => HashMap::from([(key, job.clone())]),
        None => live_jobs(conn, std::slice::from_ref(&row)).await?,
    };
    let mut details = detail(conn, vec![row], live).await?;
    details.pop().ok_or(Error::NotFound("certificate"))
}

/// A page of certificates after `after`.
///
/// # Errors
/// Failures of the database.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    after: Option<CertificateId>,
    limit: i64,
) -> Result<Vec<Detail>, Error> {
    let mut conn = context.acquire().await?;
    let rows = certificate::list(&mut conn, caller.team_id, filter, after, limit).await?;
    let live = live_jobs(&mut conn, &rows).await?;
    let page = detail(&mut conn, rows, live).await;
    conn.settled_by(page)
}

type LiveJobs = HashMap<Vec<u8>, JobRow>;

/// The live jobs of the next generations.
async fn live_jobs(conn: &mut Connection, rows: &[Certificate]) -> Result<LiveJobs, Error> {
    let keys: Vec<Vec<u8>> = rows
        .iter()
        .map(|row| issue_key(row.id, row.generation + 1))
        .collect();
    Ok(live_by_keys(conn, &keys).await?.into_iter().collect())
}

async fn detail(
    conn: &mut Connection,
    rows: Vec<Certificate>,
    mut live: LiveJobs,
) -> Result<Vec<Detail>, Error> {
    let current: Vec<VersionId> = rows.iter().filter_map(|row| row.version_id).collect();
    let mut versions: HashMap<VersionId, Version> = HashMap::new();
    if !current.is_empty() {
        let found = version::by_ids(conn, &current).await?;
        versions.extend(found.into_iter().map(|one| (one.id, one)));
    }
    let mut pairs: Vec<_> = rows
        .iter()
        .map(|row| (row.profile_id, row.issuer_id))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let shown: HashMap<_, _> = shown_by::read(conn, &pairs)
        .await?
        .into_iter()
        .map(|by| ((by.profile_id, by.issuer_id), by))
        .collect();
    let mut details = Vec::with_capacity(rows.len());
    for row in rows {
        // A certificate refers to both, so neither can be gone.
        let by = shown
            .get(&(row.profile_id, row.issuer_id))
            .ok_or(Error::NotFound("profile"))?;
        let job = live.remove(&issue_key(row.id, row.generation + 1));
        let version = row.version_id.and_then(|id| versions.remove(&id));
        let waiting = waiting_on(&Snapshot {
            status: row.status,
            not_after: row.not_after,
            renew_at: row.renew_at,
            sweep_at: row.sweep_at,
            revoked: version.as_ref().is_some_and(|one| one.revoked.is_some()),
            job: job.as_ref().and_then(jobs::waiting_on),
            fault: row
                .fault
                .as_ref()
                .map(|(code, detail)| (code.as_str(), detail.as_str())),
            now: by.now,
        });
        details.push(Detail {
            certificate: row,
            profile: by.profile.clone(),
            issuer: by.issuer.clone(),
            version,
            job,
            waiting_on: waiting,
        });
    }
    Ok(details)
}

/// A certificate's versions under generation `below`, newest first.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn versions(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    below: Option<i32>,
    limit: i64,
) -> Result<Vec<Version>, Error> {
    let mut conn = context.acquire().await?;
    certificate::by_id(&mut conn, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let page = version::list(&mut conn, id, below, limit).await;
    Ok(conn.settled_by(page)?)
}

/// Those of a certificate's versions, newest first.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn versions_by_ids(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    versions: &[VersionId],
) -> Result<Vec<Version>, Error> {
    let mut tx = context.begin().await?;
    certificate::by_id(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let mut found = version::by_ids(&mut tx, versions).await?;
    found.sort_by_key(|one| std::cmp::Reverse(one.generation));
    Ok(found)
}

/// The current chain in PEM: the leaf, then what stands above it, without the root.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] while there is no version.
pub async fn chain_pem(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
) -> Result<String, Error> {
    let found = by_id(context, caller, id).await?;
    let version = found.version.ok_or_else(|| Error::Conflict {
        code: "not_issued",
        detail: "the certificate has no version yet; its waiting_on says why".into(),
    })?;
    Ok(version_pem(&version))
}

/// A version's chain in PEM.
#[must_use]
pub fn version_pem(version: &Version) -> String {
    std::iter::once(&version.leaf_der)
        .chain(&version.chain_der)
        .map(|der| certmill_crypto::chain::certificate_pem(der))
        .collect()
}

/// The private key in PEM, where the server made it.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] where the requester holds the key; [`Error::Crypto`].
pub async fn key_pem(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
) -> Result<SecretString, Error> {
    let mut tx = context.begin().await?;
    let sealed = certificate::sealed_key(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let sealed = sealed.ok_or_else(|| Error::Conflict {
        code: "key_not_here",
        detail: "the requester made this key; certmill never had it".into(),
    })?;
    let row = caller.audit("certificate.export_key", id, serde_json::json!({}));
    audit::append(&mut tx, &[row]).await?;
    crate::context::commit(tx).await?;
    let keyring = context.app_keys.as_ref().ok_or_else(|| {
        Error::Misconfigured("this server has no app.kek, so it cannot open the key".into())
    })?;
    let row = id.0.to_string();
    let place = Place::new("certificate", "key_sealed", &row);
    let der = keyring
        .snapshot()
        .open(place, &sealed)
        .map_err(|why| Error::Crypto(why.to_string()))?;
    let key = PrivateKey::from_der(&der).map_err(|why| Error::Crypto(why.to_string()))?;
    Ok(key.to_pem())
}
