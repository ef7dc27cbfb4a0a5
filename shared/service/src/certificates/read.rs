//! Certificates as they are shown, with their version, their live job and what they wait for.

use crate::error::or_not_found;
use crate::{Caller, Context, Error, jobs};
use certmill_crypto::{keys::PrivateKey, seal::Place};
use certmill_domain::certificate::{Snapshot, waiting_on};
use certmill_domain::ids::{CertificateId, VersionId};
use certmill_domain::order::issue_key;
use certmill_domain::waiting::WaitingOn;
use certmill_pg::Tx;
use certmill_queue::live_by_keys;
use certmill_queue::read::JobRow;
use certmill_store::certificate::{Certificate, Filter};
use certmill_store::version::Version;
use certmill_store::{certificate, clock, issuer, profile, version};
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
    let mut tx = context.begin().await?;
    let row = certificate::by_id(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let mut details = detail(&mut tx, vec![row]).await?;
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
    let mut tx = context.begin().await?;
    let rows = certificate::list(&mut tx, caller.team_id, filter, after, limit).await?;
    detail(&mut tx, rows).await
}

async fn detail(tx: &mut Tx<'_>, rows: Vec<Certificate>) -> Result<Vec<Detail>, Error> {
    let now = clock::now(&mut *tx).await?;
    let keys: Vec<Vec<u8>> = rows
        .iter()
        .map(|row| issue_key(row.id, row.generation + 1))
        .collect();
    let mut live: HashMap<Vec<u8>, JobRow> =
        live_by_keys(&mut *tx, &keys).await?.into_iter().collect();
    let ids: Vec<VersionId> = rows.iter().filter_map(|row| row.version_id).collect();
    let mut current: HashMap<VersionId, Version> = version::by_ids(&mut *tx, &ids)
        .await?
        .into_iter()
        .map(|one| (one.id, one))
        .collect();
    let mut names = NameCache::default();
    let mut details = Vec::with_capacity(rows.len());
    for (row, key) in rows.into_iter().zip(keys) {
        let (profile, issuer) = names.of(tx, &row).await?;
        let job = live.remove(&key);
        let version = row.version_id.and_then(|id| current.remove(&id));
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
            now,
        });
        details.push(Detail {
            certificate: row,
            profile,
            issuer,
            version,
            job,
            waiting_on: waiting,
        });
    }
    Ok(details)
}

/// Names of profiles and issuers, each read once a page.
#[derive(Default)]
struct NameCache(HashMap<uuid::Uuid, (String, String)>);

impl NameCache {
    async fn of(&mut self, tx: &mut Tx<'_>, row: &Certificate) -> Result<(String, String), Error> {
        if let Some(known) = self.0.get(&row.profile_id.0) {
            return Ok(known.clone());
        }
        let profile = profile::by_id(&mut *tx, row.profile_id).await?;
        let issuer = issuer::by_id(&mut *tx, row.issuer_id).await?;
        let both = (profile.name, issuer.name);
        self.0.insert(row.profile_id.0, both.clone());
        Ok(both)
    }
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
    let mut tx = context.begin().await?;
    certificate::by_id(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    Ok(version::list(&mut tx, id, below, limit).await?)
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
    certmill_store::audit::append(
        &mut tx,
        &[certmill_store::audit::NewAudit {
            team_id: caller.team_id,
            actor: caller.actor.clone(),
            action: "certificate.export_key",
            object: id.to_string(),
            request_id: caller.request_id.clone(),
            detail: serde_json::json!({}),
        }],
    )
    .await?;
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
