//! A certificate is renewed by hand: under the same key as a sweep would, so never twice.

use crate::effects::issue::{IssueArgs, KIND};
use crate::error::or_not_found;
use crate::idempotency::{self, Answer, Idempotency};
use crate::issuing::plan;
use crate::{Caller, Context, Error};
use certmill_domain::ids::{CertificateId, JobId};
use certmill_domain::order::issue_key;
use certmill_queue::control;
use certmill_queue::enqueue::{Enqueued, NewJob, enqueue};
use certmill_queue::lock_live;
use certmill_store::audit::NewAudit;
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
    let mut tx = context.begin().await?;
    if let Some(value) = idempotency::replay(&mut tx, caller, idempotency).await? {
        return Ok(Answer {
            value,
            replayed: true,
        });
    }
    let seen = certificate::by_id(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    lock_live(&mut tx, &issue_key(id, seen.generation + 1)).await?;
    let row = certificate::lock(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("certificate"))?;
    let generation = row.generation + 1;
    let profile = profile::by_id(&mut tx, row.profile_id).await?;
    let issuer = issuer::by_id(&mut tx, row.issuer_id).await?;
    let now = clock::now(&mut tx).await?;
    let planned = plan(
        row.team_id,
        id,
        generation,
        issuer.id,
        profile.lifetime,
        issuer.ca_not_after,
        now,
    )?;
    order::plan_all(&mut tx, &[planned]).await?;
    let args = IssueArgs {
        certificate_id: id,
        generation,
    };
    let mut job = NewJob::new(row.team_id, issuer.lane.as_str(), KIND, args.to_value());
    job.unique_key = Some(issue_key(id, generation));
    job.object = Some(id.to_string());
    job.trace_id.clone_from(&caller.trace_id);
    let enqueued = enqueue(&mut tx, &job).await?;
    if let Enqueued::Present(live) = enqueued {
        control::retry(&mut tx, live).await?;
    }
    // After a cancel it rests: a job that is lost now must be found by a sweep again.
    certificate::arm(&mut tx, id).await?;
    let already_running = !enqueued.is_new();
    let value = Renewal {
        certificate: id,
        generation,
        job: enqueued.id(),
        already_running,
    };
    audit::append(
        &mut tx,
        &[NewAudit {
            team_id: row.team_id,
            actor: caller.actor.clone(),
            action: "certificate.renew",
            object: id.to_string(),
            request_id: caller.request_id.clone(),
            detail: serde_json::json!({ "generation": generation }),
        }],
    )
    .await?;
    idempotency::remember(&mut tx, caller, idempotency, &value).await?;
    crate::context::commit(tx).await?;
    context.hinter.hint(&issuer.lane);
    Ok(Answer {
        value,
        replayed: false,
    })
}
