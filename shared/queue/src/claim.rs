//! Claiming: due jobs of one lane become the property of one process.
//!
//! Invariant: a claim moves the fence and draws a fresh token, and only a process that is not
//! declared dead gets rows.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_domain::ids::{JobId, TeamId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgExecutor, Row};
use time::OffsetDateTime;

use crate::span::interval;
use crate::{Lease, LowWater, ProcessId, Result};

/// What to claim.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRequest<'a> {
    /// The lane.
    pub queue: &'a str,
    /// The claiming process.
    pub process_id: ProcessId,
    /// Most jobs at once; 200 to 500 is best for throughput, never more than can run soon.
    pub limit: u16,
    /// After this long a handler counts as hung and the job is rescued.
    pub deadline: Duration,
}

/// A job in the hands of its claimer.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    /// The proof of ownership.
    pub lease: Lease,
    /// The kind of work.
    pub kind: String,
    /// The lane.
    pub queue: String,
    /// The team that it belongs to.
    pub team_id: TeamId,
    /// 0 (first) to 4 (last).
    pub priority: i16,
    /// This attempt, from 1.
    pub attempt: i16,
    /// Failed attempts after which it is discarded.
    pub max_attempts: i16,
    /// How often in a row its process was lost.
    pub lost: i16,
    /// The shown id of what it is about.
    pub object: Option<String>,
    /// The trace that it continues.
    pub trace_id: Option<String>,
    /// The arguments of its kind.
    pub args: Value,
    /// Cancelling was asked for before the claim.
    pub cancel_requested: bool,
    /// When it was due.
    pub run_at: OffsetDateTime,
    /// When it is rescued from a handler that hangs.
    pub deadline_at: OffsetDateTime,
}

impl FromRow<'_, PgRow> for ClaimedJob {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            lease: Lease {
                job_id: JobId(row.try_get("id")?),
                fence: row.try_get("fence")?,
                token: row.try_get("lease_token")?,
                process_id: ProcessId(row.try_get("worker_id")?),
            },
            kind: row.try_get("kind")?,
            queue: row.try_get("queue")?,
            team_id: TeamId(row.try_get("team_id")?),
            priority: row.try_get("priority")?,
            attempt: row.try_get("attempt")?,
            max_attempts: row.try_get("max_attempts")?,
            lost: row.try_get("lost")?,
            object: row.try_get("object")?,
            trace_id: row.try_get("trace_id")?,
            args: row.try_get("args")?,
            cancel_requested: row.try_get("cancel_requested")?,
            run_at: row.try_get("run_at")?,
            deadline_at: row.try_get("deadline_at")?,
        })
    }
}

/// Claims due jobs of one lane, best priority first; empty if nothing is due or the process is
/// declared dead.
///
/// # Errors
/// The database's.
pub async fn claim<'e>(
    db: impl PgExecutor<'e>,
    request: &ClaimRequest<'_>,
) -> Result<Vec<ClaimedJob>> {
    claim_above(db, request, &LowWater::default()).await
}

/// As [`claim`], but starts to look at the lane's low-water mark.
///
/// # Errors
/// The database's.
pub async fn claim_above<'e>(
    db: impl PgExecutor<'e>,
    request: &ClaimRequest<'_>,
    above: &LowWater,
) -> Result<Vec<ClaimedJob>> {
    Ok(sqlx::query_as(include_str!("sql/claim.sql"))
        .bind(request.queue)
        .bind(request.process_id.0)
        .bind(i32::from(request.limit))
        .bind(rand::random::<i64>())
        .bind(interval(request.deadline))
        .bind(above.instants())
        .bind(above.ids())
        .fetch_all(db)
        .await?)
}

/// Claims one job whose process was lost twice in a row; at most one such job runs in a process,
/// provided that the process calls this from one place.
///
/// # Errors
/// The database's.
pub async fn claim_suspect<'e>(
    db: impl PgExecutor<'e>,
    request: &ClaimRequest<'_>,
) -> Result<Option<ClaimedJob>> {
    Ok(sqlx::query_as(include_str!("sql/claim_suspect.sql"))
        .bind(request.queue)
        .bind(request.process_id.0)
        .bind(rand::random::<i64>())
        .bind(interval(request.deadline))
        .fetch_optional(db)
        .await?)
}
