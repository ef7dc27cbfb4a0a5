//! What users do with jobs: look, cancel, retry.

use crate::context::despite_deadlocks;
use crate::effects::bulk::{BulkArgs, KIND as BULK};
use crate::effects::issue::{IssueArgs, KIND as ISSUE};
use crate::issuing::abandon;
use crate::{Caller, Context, Error, operations};
use certmill_domain::ids::{JobId, TeamId};
use certmill_domain::job::JobState;
use certmill_domain::operation::OperationState;
use certmill_domain::waiting::{self, WaitingOn};
use certmill_pg::{Connection, Pool, Tx};
use certmill_queue::ProcessId;
use certmill_queue::control::{self, CancelOutcome, RetryOutcome};
use certmill_queue::depth;
use certmill_queue::read::{self, AttemptRow, JobFilter, JobRow};
use certmill_queue::rescue::Rescued;
use certmill_store::audit::{self, AuditRow};
use certmill_store::certificate;
use serde::Deserialize;
use serde_json::Value;

/// Rows of a job's past that are shown, of each kind.
const PAST_MAX: u16 = 50;

/// As [`waiting_on`], for a single job that is due: also what holds back its lane or kind.
///
/// # Errors
/// Failures of the database.
async fn held_back(conn: &mut Connection, job: &JobRow) -> Result<Option<WaitingOn>, Error> {
    if job.state != JobState::Available {
        return Ok(None);
    }
    let held = depth::held_back(conn, &job.queue, &job.kind).await?;
    Ok(held.map(|(code, reason)| WaitingOn::new(code, None, reason.as_deref())))
}

/// What became of a job before: attempts that did not succeed, and what people did to it.
#[derive(Debug, Clone)]
pub struct Past {
    /// Failed and lost attempts, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// Audit rows of the job, oldest first.
    pub actions: Vec<AuditRow>,
    /// What holds back a job that is due.
    pub held_back: Option<WaitingOn>,
}

/// Why a job is not done, or `None` when it is.
#[must_use]
pub fn waiting_on(job: &JobRow) -> Option<WaitingOn> {
    let code = job.waiting_code.as_deref();
    let error = job
        .error
        .as_ref()
        .and_then(|error| error.get("detail"))
        .and_then(|text| text.as_str());
    match job.state {
        JobState::Scheduled => Some(WaitingOn::new(
            code.unwrap_or(waiting::SCHEDULED),
            Some(job.run_at),
            None,
        )),
        JobState::Retryable => Some(WaitingOn::new(
            code.unwrap_or(waiting::RETRY),
            Some(job.run_at),
            error,
        )),
        JobState::Available => Some(WaitingOn::new(code.unwrap_or(waiting::WORKER), None, None)),
        JobState::Running if job.cancel_requested => {
            Some(WaitingOn::new(waiting::CANCELLING, job.deadline_at, None))
        }
        JobState::Running => Some(WaitingOn::new(waiting::RUNNING, job.deadline_at, None)),
        JobState::Completed | JobState::Discarded | JobState::Cancelled => None,
    }
}

/// The job of that id, live or from history.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's.
pub async fn by_id(context: &Context, caller: &Caller, id: JobId) -> Result<JobRow, Error> {
    let mut conn = context.acquire().await?;
    let job = visible(&mut conn, caller, id).await;
    conn.settled_by(job)
}

/// As [`by_id`], with its past.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's.
pub async fn with_past(
    context: &Context,
    caller: &Caller,
    id: JobId,
) -> Result<(JobRow, Past), Error> {
    let mut conn = context.acquire().await?;
    let job = visible(&mut conn, caller, id).await?;
    let attempts = read::attempts(&mut conn, id, PAST_MAX).await?;
    let actions = audit::of_object(&mut conn, job.team_id, &id.to_string(), PAST_MAX).await?;
    let held_back = held_back(&mut conn, &job).await;
    let past = Past {
        attempts,
        actions,
        held_back: conn.settled_by(held_back)?,
    };
    Ok((job, past))
}

pub(crate) async fn visible(
    conn: &mut Connection,
    caller: &Caller,
    id: JobId,
) -> Result<JobRow, Error> {
    let found = read::by_id(conn, id).await?;
    found
        .filter(|job| job.team_id == caller.team_id)
        .ok_or(Error::NotFound("job"))
}

/// A page of the team's jobs under `before`, newest first.
///
/// # Errors
/// [`Error::Invalid`] where a lane or a kind is not known here; failures of the database.
pub async fn list(
    context: &Context,
    caller: &Caller,
    mut filter: JobFilter,
    before: Option<JobId>,
    limit: u16,
) -> Result<Vec<JobRow>, Error> {
    filter.team_id = Some(caller.team_id);
    let mut conn = context.acquire().await?;
    let mut faults =
        operations::known_lanes(&mut conn, &filter.queues, |_| "?queue".to_owned()).await?;
    faults.extend(operations::known_kinds(&mut conn, &filter.kinds, |_| "?kind".to_owned()).await?);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let page = read::list(&mut conn, &filter, before, limit).await;
    Ok(conn.settled_by(page)?)
}

/// Cancels a job: a waiting one at once; a running one is asked to stop, and may have completed before
/// it hears of that.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] where it has ended already.
pub async fn cancel(
    context: &Context,
    caller: &Caller,
    id: JobId,
    reason: Option<&str>,
) -> Result<JobRow, Error> {
    despite_deadlocks(|| cancel_once(context, caller, id, reason)).await
}

async fn cancel_once(
    context: &Context,
    caller: &Caller,
    id: JobId,
    reason: Option<&str>,
) -> Result<JobRow, Error> {
    let mut tx = context.begin().await?;
    let job = visible(&mut tx, caller, id).await?;
    let outcome = control::cancel(&mut tx, id, &caller.actor).await?;
    match outcome {
        CancelOutcome::Requested => {}
        CancelOutcome::Cancelled => {
            see_to_cancelled(&mut tx, job.team_id, &job.kind, &job.args).await?;
        }
        CancelOutcome::Ended(state) => {
            return Err(Error::Conflict {
                code: "job_ended",
                detail: format!("the job has ended as {state}; there is nothing to cancel"),
            });
        }
        CancelOutcome::NotFound => return Err(Error::NotFound("job")),
    }
    audited(&mut tx, caller, "job.cancel", id, reason).await?;
    let after = visible(&mut tx, caller, id).await?;
    crate::context::commit(tx).await?;
    if outcome == CancelOutcome::Requested {
        context.hinter.hint_stops();
    }
    Ok(after)
}

/// What a kind's rows say once its job is cancelled, in the same transaction. One line a kind that has
/// such rows; arguments that cannot be read name none.
pub(crate) async fn see_to_cancelled(
    tx: &mut Tx,
    team: TeamId,
    kind: &str,
    args: &Value,
) -> Result<(), Error> {
    match kind {
        ISSUE => abandon(tx, team, args).await,
        BULK => end_operation(tx, args, OperationState::Aborted, "its job was cancelled").await,
        _ => Ok(()),
    }
}

/// What a kind's rows say once its job is given up, where nothing else sees to them.
pub(crate) async fn see_to_discarded(
    tx: &mut Tx,
    kind: &str,
    args: &Value,
    why: &str,
) -> Result<(), Error> {
    match kind {
        BULK => end_operation(tx, args, OperationState::Failed, why).await,
        _ => Ok(()),
    }
}

/// What a kind's rows say once its job is retried, in the same transaction.
pub(crate) async fn see_to_retried(tx: &mut Tx, kind: &str, args: &Value) -> Result<(), Error> {
    if let (ISSUE, Ok(args)) = (kind, IssueArgs::deserialize(args)) {
        certificate::arm(&mut *tx, args.certificate_id).await?;
    }
    Ok(())
}

async fn end_operation(
    tx: &mut Tx,
    args: &Value,
    state: OperationState,
    why: &str,
) -> Result<(), Error> {
    match BulkArgs::deserialize(args) {
        Ok(args) => operations::end(tx, &[args.operation_id], state, Some(why)).await,
        Err(_) => Ok(()),
    }
}

/// Hands out again what dead processes and hung handlers held, at most `limit` jobs. Those that
/// were to be cancelled end, and so do their orders, in the same transaction.
///
/// # Errors
/// Failures of the database.
pub async fn rescue(pool: &Pool, me: ProcessId, limit: i32) -> Result<Rescued, Error> {
    let mut tx = crate::context::begin(pool).await?;
    let rescued = certmill_queue::rescue::rescue(&mut tx, me, limit).await?;
    for id in &rescued.cancelled {
        if let Some(job) = read::by_id(&mut tx, *id).await? {
            see_to_cancelled(&mut tx, job.team_id, &job.kind, &job.args).await?;
        }
    }
    for id in &rescued.discarded {
        if let Some(job) = read::by_id(&mut tx, *id).await? {
            let why = "its worker was lost three times in a row";
            see_to_discarded(&mut tx, &job.kind, &job.args, why).await?;
        }
    }
    crate::context::commit(tx).await?;
    Ok(rescued)
}

/// Makes a waiting job due now, or enqueues an ended one anew. The answer is the live job.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] where it runs or has completed.
pub async fn retry(
    context: &Context,
    caller: &Caller,
    id: JobId,
    reason: Option<&str>,
) -> Result<JobRow, Error> {
    despite_deadlocks(|| retry_once(context, caller, id, reason)).await
}

async fn retry_once(
    context: &Context,
    caller: &Caller,
    id: JobId,
    reason: Option<&str>,
) -> Result<JobRow, Error> {
    let mut tx = context.begin().await?;
    let job = visible(&mut tx, caller, id).await?;
    let conflict = |code, detail: &str| {
        Err(Error::Conflict {
            code,
            detail: detail.to_owned(),
        })
    };
    let live = match control::retry(&mut tx, id).await? {
        RetryOutcome::Due(live) | RetryOutcome::New(live) | RetryOutcome::Present(live) => live,
        RetryOutcome::Running => return conflict("job_running", "a worker has the job just now"),
        RetryOutcome::Completed => {
            return conflict("job_ended", "the job has completed; nothing to retry");
        }
        RetryOutcome::NotFound => return Err(Error::NotFound("job")),
    };
    see_to_retried(&mut tx, &job.kind, &job.args).await?;
    audited(&mut tx, caller, "job.retry", id, reason).await?;
    let after = visible(&mut tx, caller, live).await?;
    crate::context::commit(tx).await?;
    context.hinter.hint(&after.queue);
    Ok(after)
}

async fn audited(
    tx: &mut Tx,
    caller: &Caller,
    action: &'static str,
    id: JobId,
    reason: Option<&str>,
) -> Result<(), Error> {
    let row = caller.audit(action, id, serde_json::json!({ "reason": reason }));
    Ok(audit::append(&mut *tx, &[row]).await?)
}
