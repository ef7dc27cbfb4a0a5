//! A certificate is renewed by hand: under the same key as a sweep would, so never twice.

use super::new_key;
use crate::context::despite_others;
use crate::effects::issue::{IssueArgs, KIND};
use crate::error::or_not_found;
use crate::idempotency::{self, Answer, Idempotency};
use crate::issuing::plan;
use crate::{Caller, Context, Error};
use certmill_domain::ids::{CertificateId, JobId};
use certmill_domain::order::issue_key;
use certmill_queue::control;
use certmill_queue::enqueue::{Enqueued, NewJob, enqueue};
use certmill_queue::{live_by_keys, lock_live};
use certmill_store::audit::NewAudit;
use certmill_store::certificate::Certificate;
use certmill_store::issuer::Issuer;
use certmill_store::{audit, certificate, clock, issuer, order, profile};
use serde::{Deserialize, Serialize};

/// What a renewal by hand led to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renewal {
    /// The certificate.
    pub certificate: CertificateId,
    /// The generation that is being obtained.
    pub generation: i32,
    /// The job that obtains it.
    pub job: JobId,
    /// Whether that job was there already; it was then made due now.
    pub already_running: bool,
}

/// What a renewal by hand may bring along.
#[derive(Debug, Clone, Copy, Default)]
pub struct RenewAsk<'a> {
    /// A CSR in PEM with another key.
    pub csr_pem: Option<&'a str>,
    /// Why, for the audit.
    pub reason: Option<&'a str>,
}

/// Asks for the next version now. A job that is already at work on it is answered instead of a new one.
///
/// # Errors
/// [`Error::NotFound`], [`Error::IdempotencyMismatch`], failures of the database.
pub async fn renew(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    idempotency: Option<&Idempotency>,
) -> Result<Answer<Renewal>, Error> {
    renew_with(context, caller, id, &RenewAsk::default(), idempotency).await
}

/// Like [`renew`], with another key: that of the CSR. Where the server makes the keys it makes
/// another one by itself once the old one was reported as compromised.
///
/// # Errors
/// As [`renew`]; [`Error::Invalid`] for a CSR that does not fit; [`Error::Conflict`]
/// `key_compromised` where another key is needed and none is brought.
pub async fn renew_with(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    ask: &RenewAsk<'_>,
    idempotency: Option<&Idempotency>,
) -> Result<Answer<Renewal>, Error> {
    let once = || attempt(context, caller, id, ask, idempotency);
    despite_others("renew", once).await
}

/// One try; `None` if another one's job or version came in between. The job is locked before the
/// certificate, as finishing does; a job that came after the look must not be waited for with the
/// certificate held.
async fn attempt(
    context: &Context,
    caller: &Caller,
    id: CertificateId,
    ask: &RenewAsk<'_>,
    idempotency: Option<&Idempotency>,
) -> Result<Option<Answer<Renewal>>, Error> {
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
    let key = issue_key(id, seen.generation + 1);
    let held = lock_live(&mut tx, &key).await?;
    let row = certificate::lock(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let came = held.is_none() && !live_by_keys(&mut tx, &[key]).await?.is_empty();
    if came || row.generation != seen.generation {
        return Ok(None);
    }
    let generation = row.generation + 1;
    let profile = profile::by_id(&mut tx, row.profile_id).await?;
    new_key::take(context, &mut tx, &row, &profile, ask.csr_pem).await?;
    let issuer = issuer::by_id(&mut tx, row.issuer_id).await?;
    let now = clock::now(&mut tx).await?;
    let planned = plan(
        row.team_id,
        id,
        generation,
        issuer.id,
        profile.lifetime,
        issuer.authority(),
        now,
    )?;
    order::plan_all(&mut tx, &[planned]).await?;
    let job = job(caller, &row, &issuer, generation);
    let enqueued = enqueue(&mut tx, &job).await?;
    if let Enqueued::Present(live) = enqueued {
        control::retry(&mut tx, live).await?;
        control::go_on(&mut tx, live).await?;
    }
    // After a cancel or a revocation it rests: it goes on, and a job that is lost now is found by a sweep.
    certificate::arm(&mut tx, id).await?;
    let already_running = !enqueued.is_new();
    let value = Renewal {
        certificate: id,
        generation,
        job: enqueued.id(),
        already_running,
    };
    audit::append(&mut tx, &[audited(caller, &value, ask)]).await?;
    idempotency::remember(&mut tx, caller, idempotency, &value).await?;
    crate::context::commit(tx).await?;
    context.hinter.hint(&issuer.lane);
    Ok(Some(Answer {
        value,
        replayed: false,
    }))
}

fn job(caller: &Caller, row: &Certificate, issuer: &Issuer, generation: i32) -> NewJob {
    let args = IssueArgs {
        certificate_id: row.id,
        generation,
    };
    let mut job = NewJob::new(row.team_id, issuer.lane.as_str(), KIND, args.to_value());
    job.unique_key = Some(issue_key(row.id, generation));
    job.object = Some(row.id.to_string());
    job.trace_id.clone_from(&caller.trace_id);
    job
}

fn audited(caller: &Caller, renewal: &Renewal, ask: &RenewAsk<'_>) -> NewAudit {
    let detail = serde_json::json!({
        "generation": renewal.generation,
        "new_key": ask.csr_pem.is_some(),
        "reason": ask.reason,
    });
    caller.audit("certificate.renew", renewal.certificate, detail)
}
