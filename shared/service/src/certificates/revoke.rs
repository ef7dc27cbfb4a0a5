//! Versions of a certificate are revoked: one job a version, so that each stands for itself.
//!
//! Invariant: a version is revoked once; who asks again learns when it was.

use crate::context::{begin, despite_others};
use crate::effects::revoke::RevokeArgs;
use crate::error::or_not_found;
use crate::idempotency::{self, Answer, Idempotency};
use crate::issuing::abandon;
use crate::{Caller, Context, Error};
use certmill_domain::ids::{CertificateId, JobId, TeamId, VersionId};
use certmill_domain::order::issue_key;
use certmill_domain::revocation::{Aftermath, RevocationReason};
use certmill_pg::{Pool, Tx};
use certmill_queue::control::{self, CancelOutcome};
use certmill_queue::enqueue::enqueue_all;
use certmill_queue::{lock_live, read};
use certmill_store::audit::NewAudit;
use certmill_store::certificate::Certificate;
use certmill_store::issuer::Issuer;
use certmill_store::version::Version;
use certmill_store::{audit, certificate, clock, issuer, revocation, version};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Which versions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The current one.
    Current,
    /// This one.
    One(VersionId),
    /// All that have not ended.
    AllLive,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct RevokeAsk {
    /// Which versions.
    pub which: Which,
    /// Why.
    pub reason: RevocationReason,
    /// More, for the audit.
    pub note: Option<String>,
}

/// What a revocation led to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revoked {
    /// The certificate.
    pub certificate: CertificateId,
    /// The versions that were meant, newest first.
    pub versions: Vec<VersionId>,
    /// The jobs that revoke those which were not revoked before.
    pub jobs: Vec<JobId>,
}

/// Asks for versions to be revoked. Those that are revoked already stay as they are. A reported
/// key takes all live versions with it, and a certificate that shall end loses the renewal that
/// waits.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] `not_issued` and `version_expired`;
/// [`Error::IdempotencyMismatch`]; failures of the database.
pub async fn revoke(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    ask: &RevokeAsk,
    idempotency: Option<&Idempotency>,
) -> Result<Answer<Revoked>, Error> {
    let once = || attempt(context, caller, id, ask, idempotency);
    despite_others("change", once).await
}

/// One try; `None` if a version came in between. The job is locked before the certificate, as
/// finishing does: whatever finishes later sees that the certificate is to end.
async fn attempt(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    ask: &RevokeAsk,
    idempotency: Option<&Idempotency>,
) -> Result<Option<Answer<Revoked>>, Error> {
    let mut tx = context.begin().await?;
    if let Some(value) = idempotency::replay(&mut tx, caller, idempotency).await? {
        return Ok(Some(Answer {
            value,
            replayed: true,
        }));
    }
    let seen = certificate::by_id(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let renewal = lock_live(&mut tx, &issue_key(id, seen.generation + 1)).await?;
    let row = certificate::lock(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    if row.generation != seen.generation {
        return Ok(None);
    }
    let meant = meant(&mut tx, &row, ask).await?;
    let issuer = issuer::by_id(&mut tx, row.issuer_id).await?;
    let open: Vec<&Version> = meant.iter().filter(|one| one.revoked.is_none()).collect();
    stop(&mut tx, &row, ask.reason, &open, renewal, &caller.actor).await?;
    let jobs: Vec<_> = open
        .iter()
        .map(|one| {
            let args = RevokeArgs {
                certificate_id: id,
                version_id: one.id,
                reason: ask.reason.to_string(),
            };
            let mut job = args.job(row.team_id, &issuer.lane);
            job.trace_id.clone_from(&caller.trace_id);
            job
        })
        .collect();
    let enqueued = enqueue_all(&mut tx, &jobs).await?;
    let value = Revoked {
        certificate: id,
        versions: meant.iter().map(|one| one.id).collect(),
        jobs: enqueued.into_iter().map(|one| one.id()).collect(),
    };
    audit::append(&mut tx, &[audited(caller, ask, &value)]).await?;
    idempotency::remember(&mut tx, caller, idempotency, &value).await?;
    crate::context::commit(tx).await?;
    context.hinter.hint(&issuer.lane);
    Ok(Some(Answer {
        value,
        replayed: false,
    }))
}

/// The versions that are meant. A reported key takes every live version that carries it.
async fn meant(tx: &mut Tx, row: &Certificate, ask: &RevokeAsk) -> Result<Vec<Version>, Error> {
    let now = clock::now(&mut *tx).await?;
    let live = version::live(&mut *tx, row.id).await?;
    let mut meant = match ask.which {
        Which::AllLive if live.is_empty() => return Err(nothing_live(row)),
        Which::AllLive => return Ok(live),
        Which::One(id) => vec![refuse_ended(
            version::of_certificate(&mut *tx, row.id, id)
                .await
                .map_err(or_not_found("version"))?,
            now,
        )?],
        Which::Current => {
            let id = row.version_id.ok_or_else(|| nothing_live(row))?;
            vec![refuse_ended(version::by_id(&mut *tx, id).await?, now)?]
        }
    };
    if ask.reason == RevocationReason::KeyCompromise {
        let keys: Vec<Vec<u8>> = meant.iter().map(|one| one.spki_sha256.clone()).collect();
        let named: Vec<VersionId> = meant.iter().map(|one| one.id).collect();
        let more = live
            .into_iter()
            .filter(|one| keys.contains(&one.spki_sha256) && !named.contains(&one.id));
        meant.extend(more);
    }
    Ok(meant)
}

fn nothing_live(row: &Certificate) -> Error {
    if row.version_id.is_some() {
        return ended();
    }
    Error::Conflict {
        code: "not_issued",
        detail: "the certificate has no version yet, so there is nothing to revoke".into(),
    }
}

fn refuse_ended(version: Version, now: OffsetDateTime) -> Result<Version, Error> {
    if version.revoked.is_none() && version.validity.not_after <= now {
        return Err(ended());
    }
    Ok(version)
}

fn ended() -> Error {
    Error::Conflict {
        code: "version_expired",
        detail: "the version has ended by itself; nobody accepts it any more".into(),
    }
}

/// Ends what is under way for a certificate whose current version is revoked for good: it would be
/// made for a key or a service that is gone. The waiting job is cancelled; a running one is asked to
/// stop, and what it still brings is revoked when it comes.
async fn stop(
    tx: &mut Tx,
    row: &Certificate,
    reason: RevocationReason,
    open: &[&Version],
    renewal: Option<JobId>,
    actor: &str,
) -> Result<(), Error> {
    let keys: Vec<_> = open
        .iter()
        .map(|one| (one.spki_sha256.clone(), row.id))
        .collect();
    let ends = match reason.aftermath() {
        Aftermath::Replace => false,
        Aftermath::Rest => open.iter().any(|one| Some(one.id) == row.version_id),
        Aftermath::NewKey => {
            revocation::note_compromised(&mut *tx, &keys).await?;
            // What has got another key since goes on with it.
            keys.iter().any(|key| key.0 == row.spki_sha256)
        }
    };
    if !ends {
        return Ok(());
    }
    revocation::stop(&mut *tx, row.id, reason).await?;
    let Some(job) = renewal else {
        return Ok(());
    };
    let Some(seen) = read::by_id(&mut *tx, job).await? else {
        return Ok(());
    };
    if control::cancel(&mut *tx, job, actor).await? == CancelOutcome::Cancelled {
        abandon(tx, row.team_id, &seen.args).await?;
    }
    Ok(())
}

fn audited(caller: &Caller, ask: &RevokeAsk, value: &Revoked) -> NewAudit {
    let detail = serde_json::json!({
        "reason": ask.reason.as_str(),
        "note": ask.note,
        "versions": value.versions,
        "jobs": value.jobs,
    });
    caller.audit("certificate.revoke", value.certificate, detail)
}

/// What a worker needs in order to have a version revoked.
#[derive(Debug, Clone)]
pub struct RevocationTask {
    /// The version.
    pub version: Version,
    /// Who signed it.
    pub issuer: Issuer,
    /// Why it is revoked.
    pub reason: RevocationReason,
}

/// Loads what the job is about; `None` if the version is revoked already.
///
/// # Errors
/// [`Error::NotFound`], failures of the database.
pub async fn revocation_task(
    pool: &Pool,
    team: TeamId,
    args: &RevokeArgs,
) -> Result<Option<RevocationTask>, Error> {
    let mut tx = begin(pool).await?;
    let row = certificate::by_id(&mut tx, team, args.certificate_id)
        .await
        .map_err(or_not_found("certificate"))?;
    let version = version::of_certificate(&mut tx, row.id, args.version_id)
        .await
        .map_err(or_not_found("version"))?;
    if version.revoked.is_some() {
        return Ok(None);
    }
    let issuer = issuer::by_id(&mut tx, row.issuer_id).await?;
    Ok(Some(RevocationTask {
        version,
        issuer,
        reason: args.reason()?,
    }))
}
