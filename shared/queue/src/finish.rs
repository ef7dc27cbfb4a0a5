//! Ending an attempt: complete, fail, snooze.
//!
//! Invariant: every statement is fenced and moves the fence (or removes the row), so that a
//! second owner's write never meets the first one's.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_domain::ids::JobId;
use certmill_domain::waiting;
use certmill_pg::Pool;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::backoff::backoff;
use crate::span::interval;
use crate::{Error, Lease, Result};

/// What kind of fault ended an attempt; decides how long the next one waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Something passing.
    Retry,
    /// The other side asked for patience.
    Wait,
    /// The request itself was refused.
    Rejected,
    /// Somebody has to change settings or rights first.
    Misconfigured,
    /// The other side cannot do this at all.
    Unsupported,
}

impl FailureClass {
    /// The word in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Rejected => "rejected",
            Self::Misconfigured => "misconfigured",
            Self::Unsupported => "unsupported",
        }
    }
}

/// How an attempt failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The class of the fault.
    pub class: FailureClass,
    /// What people and scripts get to see: at least a `code`.
    pub error: Value,
    /// The wait before the next attempt; see [`crate::backoff::backoff`].
    pub backoff: Duration,
    /// No attempt can mend it: discard.
    pub permanent: bool,
    /// Why the job waits, in the words of `waiting_on`.
    pub waiting_code: Option<String>,
    /// What the handler logged: a list of `{at, level, text}`.
    pub log: Option<Value>,
}

/// What became of a failed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOutcome {
    /// It waits for its next attempt.
    Retry {
        /// When that is due.
        run_at: OffsetDateTime,
    },
    /// It is given up.
    Discarded,
    /// Cancelling was asked for meanwhile.
    Cancelled,
}

/// Until when a job is put aside, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// For this long.
    After(Duration),
    /// Until this instant.
    At(OffsetDateTime),
}

/// What became of a snoozed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnoozeOutcome {
    /// It waits.
    Waiting {
        /// When it is due again.
        run_at: OffsetDateTime,
    },
    /// Cancelling was asked for meanwhile.
    Cancelled,
}

/// Completes the jobs and answers which of them were still owned; the others were taken over and
/// their results must be dropped. Results go into the history.
///
/// # Errors
/// The database's.
pub async fn complete(conn: &mut PgConnection, ended: &[(Lease, &Value)]) -> Result<Vec<JobId>> {
    let mut ended: Vec<&(Lease, &Value)> = ended.iter().collect();
    ended.sort_by_key(|(lease, _)| lease.job_id);
    let ids: Vec<i64> = sqlx::query_scalar(include_str!("sql/complete.sql"))
        .bind(ended.iter().map(|(l, _)| l.job_id.0).collect::<Vec<_>>())
        .bind(ended.iter().map(|(l, _)| l.fence).collect::<Vec<_>>())
        .bind(ended.iter().map(|(l, _)| l.token).collect::<Vec<_>>())
        .bind(
            ended
                .iter()
                .map(|(l, _)| l.process_id.0)
                .collect::<Vec<_>>(),
        )
        .bind(ended.iter().map(|(_, result)| *result).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    Ok(ids.into_iter().map(JobId).collect())
}

/// Which of these very leases ended in a completion: to be asked when the answer to a commit was
/// lost on the way.
///
/// # Errors
/// The database's.
pub async fn was_completed(conn: &mut PgConnection, leases: &[Lease]) -> Result<Vec<JobId>> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT h.id FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS t (id, fence, token) \
         JOIN job_history h ON h.id = t.id AND h.fence = t.fence AND h.lease_token = t.token \
         WHERE h.outcome = 2",
    )
    .bind(leases.iter().map(|l| l.job_id.0).collect::<Vec<_>>())
    .bind(leases.iter().map(|l| l.fence).collect::<Vec<_>>())
    .bind(leases.iter().map(|l| l.token).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(JobId).collect())
}

/// Fails an attempt for a passing reason that is not the handler's own, so that it is tried again
/// after the usual wait.
///
/// # Errors
/// As [`fail`].
pub(crate) async fn fail_for_retry(
    pool: &Pool,
    lease: &Lease,
    attempt: i16,
    code: &str,
    message: &str,
) -> Result<FailOutcome> {
    let class = FailureClass::Retry;
    let failure = Failure {
        class,
        error: json!({ "code": code, "message": message }),
        backoff: backoff(class, attempt, &mut rand::rng()),
        permanent: false,
        waiting_code: Some(waiting::RETRY.to_owned()),
        log: None,
    };
    let mut conn = pool.acquire().await?;
    fail(&mut conn, lease, &failure).await
}

/// Ends a failed attempt and writes it to `job_attempt`; the job waits for the next one, or ends
/// when the failure is permanent, the attempts are used up, or cancelling was asked for.
///
/// # Errors
/// [`Error::LeaseLost`], else the database's.
pub async fn fail(
    conn: &mut PgConnection,
    lease: &Lease,
    failure: &Failure,
) -> Result<FailOutcome> {
    let row: Option<(String, Option<OffsetDateTime>)> =
        sqlx::query_as(include_str!("sql/fail.sql"))
            .bind(lease.job_id.0)
            .bind(lease.fence)
            .bind(lease.token)
            .bind(lease.process_id.0)
            .bind(&failure.error)
            .bind(interval(failure.backoff))
            .bind(failure.permanent)
            .bind(&failure.waiting_code)
            .bind(failure.class.as_str())
            .bind(&failure.log)
            .fetch_optional(conn)
            .await?;
    match row {
        None => Err(Error::LeaseLost),
        Some((_, Some(run_at))) => Ok(FailOutcome::Retry { run_at }),
        Some((what, None)) if what == "cancelled" => Ok(FailOutcome::Cancelled),
        Some(_) => Ok(FailOutcome::Discarded),
    }
}

/// How a job that was asked to stop came to its end.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// In words, for the attempt's row.
    pub how: String,
    /// What the handler logged: a list of `{at, level, text}`.
    pub log: Option<Value>,
}

/// Puts a running job aside without using up an attempt; one that was cancelled meanwhile ends, and
/// `stopped` says how it came to that, where somebody knows.
///
/// # Errors
/// [`Error::LeaseLost`], else the database's.
pub async fn snooze(
    conn: &mut PgConnection,
    lease: &Lease,
    until: Until,
    waiting_code: &str,
    stopped: Option<&Stopped>,
) -> Result<SnoozeOutcome> {
    let (at, delay) = match until {
        Until::At(at) => (Some(at), Duration::ZERO),
        Until::After(delay) => (None, delay),
    };
    let row: Option<Option<OffsetDateTime>> = sqlx::query_scalar(include_str!("sql/snooze.sql"))
        .bind(lease.job_id.0)
        .bind(lease.fence)
        .bind(lease.token)
        .bind(lease.process_id.0)
        .bind(at)
        .bind(interval(delay))
        .bind(waiting_code)
        .bind(stopped.map(|stopped| stopped.how.as_str()))
        .bind(stopped.and_then(|stopped| stopped.log.as_ref()))
        .fetch_optional(conn)
        .await?;
    match row {
        None => Err(Error::LeaseLost),
        Some(Some(run_at)) => Ok(SnoozeOutcome::Waiting { run_at }),
        Some(None) => Ok(SnoozeOutcome::Cancelled),
    }
}
