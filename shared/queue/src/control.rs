//! What people do to single jobs: cancel, retry.
//!
//! Invariant: an ended job's id is never revived; a repeat is a new job with the same key.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_domain::ids::JobId;
use certmill_domain::job::JobState;
use sqlx::PgConnection;

use crate::many::{cancel_all, hasten_all, repeat_all};
use crate::{Enqueued, Error, Result, read};

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It was waiting and is cancelled.
    Cancelled,
    /// It runs and was asked to stop.
    Requested,
    /// It had ended before, in this state.
    Ended(JobState),
    /// No such job.
    NotFound,
}

/// What a retry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOutcome {
    /// It was waiting and is due now.
    Due(JobId),
    /// It had ended without success; this new job repeats it.
    New(JobId),
    /// It had ended without success, and this live job has its key already.
    Present(JobId),
    /// It is running.
    Running,
    /// It was completed: nothing to repeat.
    Completed,
    /// No such job.
    NotFound,
}

/// Cancels a job; `by` is who wants it, as audit rows name them.
///
/// # Errors
/// The database's.
pub async fn cancel(conn: &mut PgConnection, id: JobId, by: &str) -> Result<CancelOutcome> {
    let outcomes = cancel_all(conn, &[id], by).await?;
    match outcomes.first() {
        Some((_, outcome)) => Ok(*outcome),
        None => Ok(match read::by_id(conn, id).await? {
            Some(row) => CancelOutcome::Ended(row.state),
            None => CancelOutcome::NotFound,
        }),
    }
}

/// Makes a waiting job due now, or repeats a discarded or cancelled one as a new job.
///
/// # Errors
/// The database's, and those of [`enqueue`](crate::enqueue()).
pub async fn retry(conn: &mut PgConnection, id: JobId) -> Result<RetryOutcome> {
    if !hasten_all(conn, &[id]).await?.is_empty() {
        return Ok(RetryOutcome::Due(id));
    }
    let Some(row) = read::by_id(conn, id).await? else {
        return Ok(RetryOutcome::NotFound);
    };
    match row.state {
        JobState::Completed => Ok(RetryOutcome::Completed),
        JobState::Discarded | JobState::Cancelled => repeat(conn, id, row.queue).await,
        _ => Ok(RetryOutcome::Running),
    }
}

/// Takes back that a running job was asked to stop: somebody wants what it brings after all.
///
/// # Errors
/// The database's.
pub async fn go_on(conn: &mut PgConnection, id: JobId) -> Result<()> {
    sqlx::query(
        "UPDATE job SET cancel_requested = false, cancel_by = NULL \
         WHERE id = $1 AND state = 1 AND cancel_requested",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(())
}

async fn repeat(conn: &mut PgConnection, id: JobId, queue: String) -> Result<RetryOutcome> {
    match repeat_all(conn, &[id]).await?.first() {
        Some((_, Enqueued::New(id))) => Ok(RetryOutcome::New(*id)),
        Some((_, Enqueued::Present(id))) => Ok(RetryOutcome::Present(*id)),
        None => Err(Error::UnknownLane { queue }),
    }
}
