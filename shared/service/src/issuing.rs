//! The worker's side of an order: load what an issuer is asked, keep its state under the fence, and
//! settle an order that failed.

use crate::Error;
use crate::context::{begin, commit};
use crate::effects::issue::IssueArgs;
use crate::error::or_not_found;
use certmill_domain::ids::{CertificateId, IssuerId, OrderId, TeamId};
use certmill_domain::order::{Authority, Order, OrderPlan, OrderState};
use certmill_domain::profile::Profile;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_domain::waiting;
use certmill_pg::{Pool, Tx};
use certmill_queue::finish::{FailOutcome, Failure, fail};
use certmill_queue::{ClaimedJob, Lease, checkpoint};
use certmill_store::certificate::Certificate;
use certmill_store::event::NewEvent;
use certmill_store::issuer::Issuer;
use certmill_store::{certificate, clock, event, issuer, order, profile};
use time::{Duration, OffsetDateTime};

/// What a worker needs in order to ask an issuer.
#[derive(Debug, Clone)]
pub struct Task {
    /// The certificate.
    pub certificate: Certificate,
    /// Its profile.
    pub profile: Profile,
    /// Who is asked.
    pub issuer: Issuer,
    /// The standing order, with serial and dates drawn.
    pub order: Order,
}

/// What loading found.
#[derive(Debug, Clone)]
pub enum Load {
    /// Work to do.
    Work(Box<Task>),
    /// The generation stands already; the job completes without an effect.
    Done,
}

/// Draws serial and dates of an order.
///
/// # Errors
/// [`Error::Crypto`] without random bytes; [`Error::Conflict`] `issuer_expired` where the issuer's
/// own certificate has ended.
pub(crate) fn plan(
    team_id: TeamId,
    certificate_id: CertificateId,
    generation: i32,
    issuer_id: IssuerId,
    lifetime: Duration,
    authority: Option<Authority>,
    now: OffsetDateTime,
) -> Result<OrderPlan, Error> {
    let end = authority.map_or(now + lifetime, |authority| authority.not_after);
    let validity = Validity::plan(now, lifetime, end);
    if validity.not_after <= now {
        return Err(Error::Conflict {
            code: "issuer_expired",
            detail: "the issuer's own certificate has ended; roll its CA over first".into(),
        });
    }
    let bits = certmill_crypto::random::bytes().map_err(|why| Error::Crypto(why.to_string()))?;
    Ok(OrderPlan {
        team_id,
        certificate_id,
        generation,
        issuer_id,
        serial: Serial::from_random(bits),
        validity,
        ca_key_id: authority.map(|authority| authority.ca_key_id),
    })
}

/// Whether a standing order may be carried out as it was planned: the issuer may have been asked
/// already, or the plan is fresh and was drawn for the authority that signs now.
pub(crate) fn is_usable(order: &Order, issuer: &Issuer, now: OffsetDateTime) -> bool {
    let plan = &order.plan;
    order.state != OrderState::Planned
        || (!plan.validity.is_stale(order.planned_at, now) && plan.ca_key_id == issuer.ca_key_id)
}

/// Nothing is signed for a key that others know.
pub(crate) fn key_compromised() -> Error {
    Error::Conflict {
        code: waiting::KEY_COMPROMISED,
        detail: "this key was reported as known to others; bring another one".into(),
    }
}

/// Loads what the job `lease` is about; plans an order where none stands, and draws a planned one
/// anew that has aged in the queue or was drawn for another authority. Both are written under the
/// fence.
///
/// # Errors
/// [`Error::LeaseLost`]: write nothing more. [`Error::NotFound`], failures of the database.
pub async fn load(
    pool: &Pool,
    lease: &Lease,
    team: TeamId,
    args: IssueArgs,
) -> Result<Load, Error> {
    let mut tx = begin(pool).await?;
    let row = certificate::by_id(&mut tx, team, args.certificate_id)
        .await
        .map_err(or_not_found("certificate"))?;
    if row.generation >= args.generation {
        return Ok(Load::Done);
    }
    if row.key_compromised {
        return Err(key_compromised());
    }
    let profile = profile::by_id(&mut tx, row.profile_id).await?;
    let issuer = issuer::by_id(&mut tx, row.issuer_id).await?;
    let now = clock::now(&mut tx).await?;
    let mut standing = order::standing(&mut tx, row.id, args.generation).await?;
    let usable = standing
        .as_ref()
        .is_some_and(|order| is_usable(order, &issuer, now));
    if !usable {
        checkpoint::hold(&mut tx, lease).await?;
        let fresh = plan(
            team,
            row.id,
            args.generation,
            issuer.id,
            profile.lifetime,
            issuer.authority(),
            now,
        )?;
        match &standing {
            Some(stale) => order::replan(&mut tx, stale.id, &fresh).await?,
            None => order::plan_all(&mut tx, &[fresh]).await?,
        }
        standing = order::standing(&mut tx, row.id, args.generation).await?;
        commit(tx).await?;
    }
    let order = standing.ok_or(Error::NotFound("order"))?;
    if order.state == OrderState::Issued {
        return Ok(Load::Done);
    }
    Ok(Load::Work(Box::new(Task {
        certificate: row,
        profile,
        issuer,
        order,
    })))
}

/// Stores the connector's state before its next call.
///
/// # Errors
/// [`Error::LeaseLost`]: the connector must not be called.
pub async fn keep_remote(
    pool: &Pool,
    lease: &Lease,
    order: OrderId,
    state: OrderState,
    remote: &serde_json::Value,
) -> Result<(), Error> {
    let mut tx = begin(pool).await?;
    checkpoint::hold_begun(&mut tx, lease).await?;
    order::store_remote(&mut tx, order, state, remote).await?;
    commit(tx).await
}

/// Why an order's attempt failed, as certificate and events show it.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Stable code.
    pub code: String,
    /// What happened, for people.
    pub detail: String,
}

/// Fails the job under its fence; where that was its last attempt, the order ends and the
/// certificate says why, in the same transaction.
///
/// # Errors
/// [`Error::LeaseLost`]: nothing was written.
pub async fn settle_failure(
    pool: &Pool,
    job: &ClaimedJob,
    failure: &Failure,
    fault: &Fault,
) -> Result<FailOutcome, Error> {
    let team = job.team_id;
    let mut tx = begin(pool).await?;
    let outcome = fail(&mut tx, &job.lease, failure).await?;
    match outcome {
        FailOutcome::Retry { .. } => {}
        FailOutcome::Discarded => {
            // Unreadable arguments name no order: the job's own end is all there is to write.
            if let Ok(args) = serde_json::from_value::<IssueArgs>(job.args.clone()) {
                end_order(&mut tx, team, args, OrderState::Failed, fault).await?;
            }
        }
        FailOutcome::Cancelled => abandon(&mut tx, team, &job.args).await?,
    }
    commit(tx).await?;
    Ok(outcome)
}

/// The fault of an order that a person cancelled.
fn cancelled() -> Fault {
    Fault {
        code: "cancelled".into(),
        detail: "cancelled by a person; `certmill certs renew` starts anew".into(),
    }
}

/// Ends the order of a cancelled job; arguments that cannot be read name no order.
pub(crate) async fn abandon(
    tx: &mut Tx,
    team: TeamId,
    args: &serde_json::Value,
) -> Result<(), Error> {
    match serde_json::from_value::<IssueArgs>(args.clone()) {
        Ok(args) => end_order(tx, team, args, OrderState::Abandoned, &cancelled()).await,
        Err(_) => Ok(()),
    }
}

/// Ends the live order of a generation and notes it at the certificate. A first order that was
/// cancelled rests until a person asks again; everything else is looked at by a later sweep.
async fn end_order(
    tx: &mut Tx,
    team: TeamId,
    args: IssueArgs,
    state: OrderState,
    fault: &Fault,
) -> Result<(), Error> {
    order::end(
        &mut *tx,
        args.certificate_id,
        args.generation,
        state,
        &fault.code,
    )
    .await?;
    let rest = state == OrderState::Abandoned && args.generation == 1;
    certificate::mark_failed(
        &mut *tx,
        args.certificate_id,
        &fault.code,
        &fault.detail,
        rest,
    )
    .await?;
    event::append(
        &mut *tx,
        &[NewEvent {
            team_id: team,
            topic: "order",
            object: args.certificate_id.to_string(),
            code: if state == OrderState::Abandoned {
                "abandoned"
            } else {
                "failed"
            },
            detail: serde_json::json!({ "generation": args.generation, "fault": fault.code }),
        }],
    )
    .await?;
    Ok(())
}
