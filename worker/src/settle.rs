//! Settles what an attempt ended in, under the job's fence.

use crate::attempt::Attempted;
use crate::failpoint::Failpoints;
use crate::outcome::{Failed, Outcome};
use certmill_domain::waiting;
use certmill_pg::Pool;
use certmill_queue::release::release;
use certmill_queue::{ClaimedJob, Failure, Finished, Finisher, Stopped, Until, Verdict};
use certmill_service::Error;
use certmill_service::effects::{settle_failure, settle_snooze};
use certmill_service::issuing::Fault;
use certmill_tasks::{Backoff, backoff};
use serde_json::Value;
use std::time::Duration;

/// While the database does not answer; the lease runs out before the policy does.
const PATIENCE: Backoff =
    Backoff::new(Duration::from_millis(200), Duration::from_secs(2)).with_attempts(8);

/// Writes the outcome; a lost lease writes nothing and is logged. What is rare is boxed: a worker
/// holds one such future for each slot, and copies it.
pub(crate) async fn settle(
    pool: &Pool,
    finisher: Finisher,
    failpoints: &Failpoints,
    job: ClaimedJob,
    attempted: Attempted,
) {
    let id = job.lease.job_id;
    let log = attempted.log();
    match attempted.outcome {
        Outcome::Complete { effect, result } => {
            let end = complete(finisher, job, effect, result);
            failpoints.hand_in(end).await;
        }
        Outcome::Snooze { after, code } => {
            let stopped = stopped("it was about to wait", log);
            let settled = repeated(|| snooze_once(pool, &job, after, code, &stopped));
            finish_up(&finisher, &job, Box::pin(settled).await);
        }
        Outcome::GiveBack => {
            let settled = repeated(|| give_back_once(pool, &job, log.as_ref()));
            finish_up(&finisher, &job, Box::pin(settled).await);
        }
        Outcome::Stop(how) => {
            tracing::info!(event = "job_stopped", job = %id, how);
            let (stopped, now) = (stopped(how, log), Duration::ZERO);
            let settled = repeated(|| snooze_once(pool, &job, now, waiting::WORKER, &stopped));
            finish_up(&finisher, &job, Box::pin(settled).await);
        }
        Outcome::Fail(failed) => {
            tracing::warn!(event = "attempt_failed", job = %id, code = failed.code, detail = failed.detail);
            let settled = repeated(|| fail_once(pool, &job, &failed, log.as_ref()));
            finish_up(&finisher, &job, Box::pin(settled).await);
        }
        Outcome::Abandon => tracing::warn!(event = "lease_lost", job = %id),
    }
}

async fn complete(
    finisher: Finisher,
    job: ClaimedJob,
    effect: serde_json::Value,
    result: serde_json::Value,
) {
    let id = job.lease.job_id;
    let finished = Finished {
        lease: job.lease,
        kind: job.kind,
        team_id: job.team_id,
        attempt: job.attempt,
        effect,
        result,
    };
    match finisher.finish(finished).await {
        Verdict::Accepted => tracing::debug!(event = "job_completed", job = %id),
        Verdict::LeaseLost => tracing::warn!(event = "fence_refused", job = %id),
        Verdict::Failed(why) => tracing::warn!(event = "effect_failed", job = %id, why),
    }
}

fn stopped(how: &str, log: Option<Value>) -> Stopped {
    Stopped {
        how: how.to_owned(),
        log,
    }
}

async fn snooze_once(
    pool: &Pool,
    job: &ClaimedJob,
    after: Duration,
    code: &str,
    stopped: &Stopped,
) -> Result<(), Error> {
    settle_snooze(pool, job, Until::After(after), code, Some(stopped)).await?;
    Ok(())
}

/// One that somebody wants cancelled is not given back: it ends here.
async fn give_back_once(pool: &Pool, job: &ClaimedJob, log: Option<&Value>) -> Result<(), Error> {
    if release(pool, &[job.lease]).await? == 1 {
        return Ok(());
    }
    let stopped = stopped("it was about to wait", log.cloned());
    snooze_once(pool, job, Duration::ZERO, waiting::WORKER, &stopped).await
}

async fn fail_once(
    pool: &Pool,
    job: &ClaimedJob,
    failed: &Failed,
    log: Option<&Value>,
) -> Result<(), Error> {
    let failure = Failure {
        class: failed.class,
        error: serde_json::json!({ "code": failed.code, "detail": failed.detail }),
        backoff: failed.backoff,
        permanent: failed.permanent,
        waiting_code: Some(waiting::RETRY.to_owned()),
        log: log.cloned(),
    };
    let fault = Fault {
        code: failed.code.clone(),
        detail: failed.detail.clone(),
    };
    settle_failure(pool, job, &failure, &fault).await?;
    Ok(())
}

async fn repeated<F, Fut>(op: F) -> Result<(), Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let again = |error: &Error| !matches!(error, Error::LeaseLost);
    backoff::retry(PATIENCE, op, again, |_, _| {}).await
}

/// What could not be written is left to whoever tries on when this attempt is over.
fn finish_up(finisher: &Finisher, job: &ClaimedJob, settled: Result<(), Error>) {
    let id = job.lease.job_id;
    match settled {
        Ok(()) => {}
        Err(Error::LeaseLost) => tracing::warn!(event = "fence_refused", job = %id),
        Err(error) => {
            tracing::error!(event = "job_not_settled", job = %id, %error);
            let unsettled = finisher.unsettled();
            unsettled.leave(job.lease, job.attempt, error.to_string());
        }
    }
}
