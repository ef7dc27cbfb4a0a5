//! What people do to many jobs at once, set-wise.
//!
//! Invariant: rows are locked in the order of their ids, and what a job's state does not allow is left
//! out of the answer.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_domain::ids::{JobId, TeamId};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};

use crate::control::CancelOutcome;
use crate::{Enqueued, NewJob, Result, enqueue_all};

/// A job that something was done to, as far as its kind's rows need it.
#[derive(Debug, Clone, FromRow)]
pub struct Touched {
    /// Its number, see [`Touched::job_id`].
    id: i64,
    /// The lane that it stands in now.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// The arguments of its kind.
    pub args: Value,
}

impl Touched {
    /// Its id.
    #[must_use]
    pub fn job_id(&self) -> JobId {
        JobId(self.id)
    }
}

#[derive(FromRow)]
struct CancelRow {
    what: String,
    #[sqlx(flatten)]
    job: Touched,
}

/// Cancels the live ones of these jobs: each is `Cancelled` or `Requested`. `by` is who wants it, as
/// audit rows name them.
///
/// # Errors
/// The database's.
pub async fn cancel_all(
    conn: &mut PgConnection,
    ids: &[JobId],
    by: &str,
) -> Result<Vec<(Touched, CancelOutcome)>> {
    let rows: Vec<CancelRow> = sqlx::query_as(include_str!("sql/cancel.sql"))
        .bind(numbers(ids))
        .bind(by)
        .fetch_all(conn)
        .await?;
    let outcome = |row: CancelRow| match row.what.as_str() {
        "cancelled" => (row.job, CancelOutcome::Cancelled),
        _ => (row.job, CancelOutcome::Requested),
    };
    Ok(rows.into_iter().map(outcome).collect())
}

/// Makes the waiting ones of these jobs due now.
///
/// # Errors
/// The database's.
pub async fn hasten_all(conn: &mut PgConnection, ids: &[JobId]) -> Result<Vec<Touched>> {
    Ok(sqlx::query_as(
        "UPDATE job SET run_at = least(run_at, now()), waiting_code = NULL \
         WHERE id = ANY (ARRAY(SELECT id FROM job WHERE id = ANY ($1) AND state = 0 \
                               ORDER BY id FOR UPDATE)) \
         RETURNING id, queue, kind, args",
    )
    .bind(numbers(ids))
    .fetch_all(conn)
    .await?)
}

/// Moves the waiting ones of these jobs to another lane, another priority, or both. A job that signs
/// with a CA key is not moved to a lane whose workers need none.
///
/// # Errors
/// The database's.
pub async fn move_all(
    conn: &mut PgConnection,
    ids: &[JobId],
    to_queue: Option<&str>,
    to_priority: Option<i16>,
) -> Result<Vec<Touched>> {
    Ok(sqlx::query_as(
        "UPDATE job SET queue = coalesce($2, queue), priority = coalesce($3, priority) \
         WHERE id = ANY (ARRAY( \
             SELECT j.id FROM job j WHERE j.id = ANY ($1) AND j.state = 0 \
               AND NOT EXISTS (SELECT 1 FROM lane a, lane b \
                               WHERE a.name = j.queue AND b.name = $2 \
                                 AND a.needs_key AND NOT b.needs_key) \
             ORDER BY j.id FOR UPDATE)) \
         RETURNING id, queue, kind, args",
    )
    .bind(numbers(ids))
    .bind(to_queue)
    .bind(to_priority)
    .fetch_all(conn)
    .await?)
}

#[derive(FromRow)]
struct EndedRow {
    team_id: i32,
    priority: i16,
    max_attempts: i16,
    unique_key: Option<Vec<u8>>,
    object: Option<String>,
    trace_id: Option<String>,
    #[sqlx(flatten)]
    job: Touched,
}

impl EndedRow {
    fn anew(&self) -> NewJob {
        let Touched {
            queue, kind, args, ..
        } = &self.job;
        NewJob {
            priority: self.priority,
            max_attempts: self.max_attempts,
            unique_key: self.unique_key.clone(),
            object: self.object.clone(),
            trace_id: self.trace_id.clone(),
            ..NewJob::new(TeamId(self.team_id), queue, kind, args.clone())
        }
    }
}

/// Enqueues the discarded and cancelled ones of these jobs anew, each under a new id; `Present` means
/// that a live job has its key. Jobs of a lane that is gone are left out.
///
/// # Errors
/// The database's, and those of [`enqueue_all`].
pub async fn repeat_all(
    conn: &mut PgConnection,
    ids: &[JobId],
) -> Result<Vec<(Touched, Enqueued)>> {
    let rows: Vec<EndedRow> = sqlx::query_as(
        "SELECT id, team_id, queue, kind, priority, max_attempts, unique_key, object, trace_id, args \
         FROM job_history_ended h \
         WHERE id = ANY ($1) AND EXISTS (SELECT 1 FROM lane l WHERE l.name = h.queue) \
         ORDER BY id",
    )
    .bind(numbers(ids))
    .fetch_all(&mut *conn)
    .await?;
    let jobs: Vec<NewJob> = rows.iter().map(EndedRow::anew).collect();
    let enqueued = enqueue_all(conn, &jobs).await?;
    Ok(rows.into_iter().map(|row| row.job).zip(enqueued).collect())
}

/// Those of these jobs that have not ended, and whether they run.
///
/// # Errors
/// The database's.
pub async fn live_among(conn: &mut PgConnection, ids: &[JobId]) -> Result<Vec<(JobId, bool)>> {
    let live: Vec<(i64, bool)> =
        sqlx::query_as("SELECT id, state = 1 FROM job WHERE id = ANY ($1)")
            .bind(numbers(ids))
            .fetch_all(conn)
            .await?;
    Ok(live
        .into_iter()
        .map(|(id, runs)| (JobId(id), runs))
        .collect())
}

fn numbers(ids: &[JobId]) -> Vec<i64> {
    ids.iter().map(|id| id.0).collect()
}
