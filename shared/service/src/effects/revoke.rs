//! The kind `revoke`: an issuer revoked a version.
//!
//! Invariant: a version is revoked once, and each authority whose version it was gets a new list in
//! a job that is enqueued here.

use crate::{Caller, Error, publication};
use certmill_domain::ids::{CertificateId, TeamId, VersionId};
use certmill_domain::revocation::{Aftermath, RevocationReason};
use certmill_domain::schedule;
use certmill_domain::serial::Serial;
use certmill_domain::waiting;
use certmill_pg::Tx;
use certmill_queue::enqueue::{NewJob, enqueue, enqueue_all};
use certmill_store::event::NewEvent;
use certmill_store::revocation::{Mark, Marked};
use certmill_store::{audit, clock, crl, event, revocation};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The kind's name.
pub const KIND: &str = "revoke";

/// Arguments of the kind: which version, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeArgs {
    /// The certificate.
    pub certificate_id: CertificateId,
    /// Its version.
    pub version_id: VersionId,
    /// The reason by its name in RFC 5280.
    pub reason: String,
}

impl RevokeArgs {
    /// The job that revokes this version, in the issuer's lane, before everything else there.
    #[must_use]
    pub fn job(&self, team: TeamId, lane: &str) -> NewJob {
        let args = serde_json::json!({
            "certificate_id": self.certificate_id,
            "version_id": self.version_id,
            "reason": self.reason,
        });
        let mut job = NewJob::new(team, lane, KIND, args);
        let mut key = b"revoke:".to_vec();
        key.extend_from_slice(self.version_id.0.as_bytes());
        job.unique_key = Some(key);
        job.object = Some(self.certificate_id.to_string());
        job.priority = 0;
        job
    }

    /// The reason as a value.
    ///
    /// # Errors
    /// [`Error::Store`] where another build wrote one that this one does not know.
    pub fn reason(&self) -> Result<RevocationReason, Error> {
        self.reason.parse().map_err(|why| {
            Error::Store(certmill_store::Error::Corrupt(format!(
                "job args: reason: {why}"
            )))
        })
    }
}

/// A version that its issuer revoked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effect {
    /// The team of the certificate.
    pub team_id: TeamId,
    /// What was asked for.
    pub args: RevokeArgs,
}

/// Marks the versions, sees to their certificates, and has lists made. Certificates are locked
/// first, then the heads of their authorities, each in the order of ids.
///
/// # Errors
/// [`Error::Store`], [`Error::Queue`].
pub async fn apply(effects: Vec<Effect>, tx: &mut Tx) -> Result<(), Error> {
    if effects.is_empty() {
        return Ok(());
    }
    let certificates: Vec<CertificateId> =
        effects.iter().map(|one| one.args.certificate_id).collect();
    let versions: Vec<VersionId> = effects.iter().map(|one| one.args.version_id).collect();
    let current: HashMap<CertificateId, Option<VersionId>> =
        revocation::lock_certificates(&mut *tx, &certificates)
            .await?
            .into_iter()
            .collect();
    for (authority, der) in revocation::authorities_of(&mut *tx, &versions).await? {
        if publication::lists(&der)? && crl::note_revoked(&mut *tx, authority).await? {
            enqueue(&mut *tx, &publication::crl_job(authority)).await?;
        }
    }
    // Read after the heads are locked: no list that was drawn before is later than this.
    let now = clock::now(&mut *tx).await?;
    let marks: Result<Vec<Mark>, Error> = effects.iter().map(mark).collect();
    let marked: HashMap<VersionId, Marked> = revocation::mark(&mut *tx, &marks?, now)
        .await?
        .into_iter()
        .map(|one| (VersionId(one.version_id), one))
        .collect();
    let mut due = Vec::new();
    for effect in &effects {
        let args = &effect.args;
        let Some(one) = marked.get(&args.version_id) else {
            continue;
        };
        let is_current = current.get(&args.certificate_id) == Some(&Some(args.version_id));
        if see_to(tx, effect, one, is_current).await? {
            due.push(args.certificate_id);
        }
    }
    replace(tx, &due).await?;
    tell(tx, &effects, &marked).await
}

fn mark(effect: &Effect) -> Result<Mark, Error> {
    Ok(Mark {
        version_id: effect.args.version_id,
        reason: effect.args.reason()?,
    })
}

/// What the revocation means for the certificate; `true` if its current version is to be replaced.
async fn see_to(
    tx: &mut Tx,
    effect: &Effect,
    marked: &Marked,
    is_current: bool,
) -> Result<bool, Error> {
    let id = effect.args.certificate_id;
    let reason = effect.args.reason()?;
    let aftermath = reason.aftermath();
    if aftermath == Aftermath::NewKey {
        let key = (marked.spki_sha256.clone(), id);
        revocation::note_compromised(&mut *tx, &[key]).await?;
    }
    if !is_current {
        return Ok(false);
    }
    match aftermath {
        Aftermath::Replace => return Ok(true),
        Aftermath::NewKey => {
            let detail = "revoked for keyCompromise; `certmill certs renew NAME --csr FILE` \
                          gives it another key";
            let key = Some(marked.spki_sha256.as_slice());
            revocation::rest(&mut *tx, id, key, waiting::KEY_COMPROMISED, detail).await?;
        }
        Aftermath::Rest => {
            let detail = format!("revoked for {reason}; `certmill certs renew` begins anew");
            revocation::rest(&mut *tx, id, None, waiting::REVOKED, &detail).await?;
        }
    }
    Ok(false)
}

/// Lets a sweep order the next versions at once: it plans them as any other renewal, and takes no
/// lock out of order.
async fn replace(tx: &mut Tx, due: &[CertificateId]) -> Result<(), Error> {
    if due.is_empty() {
        return Ok(());
    }
    revocation::make_due(&mut *tx, due).await?;
    let args = serde_json::json!({});
    let sweep = NewJob::new(
        TeamId::DEFAULT,
        schedule::LANE,
        schedule::RENEWAL_SWEEP,
        args,
    );
    enqueue_all(&mut *tx, &[sweep]).await?;
    Ok(())
}

async fn tell(
    tx: &mut Tx,
    effects: &[Effect],
    marked: &HashMap<VersionId, Marked>,
) -> Result<(), Error> {
    let told = effects
        .iter()
        .filter_map(|effect| Some((effect, marked.get(&effect.args.version_id)?)));
    let mut events = Vec::new();
    let mut audits = Vec::new();
    for (effect, one) in told {
        let detail = serde_json::json!({
            "generation": one.generation,
            "serial": Serial::from_bytes(&one.serial).map(|serial| serial.to_string()),
            "reason": effect.args.reason,
        });
        events.push(NewEvent {
            team_id: effect.team_id,
            topic: "certificate",
            object: effect.args.certificate_id.to_string(),
            code: "revoked",
            detail: detail.clone(),
        });
        audits.push(Caller::system_for("worker", effect.team_id).audit(
            "version.revoke",
            effect.args.certificate_id,
            detail,
        ));
    }
    event::append(&mut *tx, &events).await?;
    audit::append(&mut *tx, &audits).await?;
    Ok(())
}
