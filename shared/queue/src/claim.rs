//! Claiming: due jobs of one lane become the property of one process.
//!
//! Invariant: a claim moves the fence and draws a fresh token; only a process that is not declared
//! dead gets rows, none comes from a paused lane or of a paused kind, and a limited lane never has
//! more running jobs than its limit, over all processes.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_domain::ids::{JobId, TeamId};
use certmill_pg::Pool;
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

use crate::span::interval;
use crate::{Lease, LowWater, ProcessId, Result};

/// The last priority.
const LEAST_URGENT: i16 = 4;

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
    /// The kinds that this process can run; none = any. Jobs of other kinds are left alone.
    pub kinds: Option<&'a [String]>,
    /// The token of the leases, different for each call, for who wants to take back a claim whose
    /// answer is lost; none = the call draws one.
    pub token: Option<i64>,
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
}

/// What the statements return. What is the same for all rows of a claim is not sent with each; and
/// columns are read by place, since a name is looked up for every row.
type Row = (
    i64,
    i32,
    String,
    i32,
    i16,
    i16,
    i16,
    i16,
    Option<String>,
    Option<String>,
    Value,
    bool,
    OffsetDateTime,
);

fn claimed(row: Row, request: &ClaimRequest<'_>, token: i64) -> ClaimedJob {
    let (id, fence, kind, team, priority, attempt, max_attempts, lost, object, trace_id, ..) = row;
    let (.., args, cancel_requested, run_at) = row;
    ClaimedJob {
        lease: Lease {
            job_id: JobId(id),
            fence,
            token,
            process_id: request.process_id,
        },
        kind,
        queue: request.queue.to_owned(),
        team_id: TeamId(team),
        priority,
        attempt,
        max_attempts,
        lost,
        object,
        trace_id,
        args,
        cancel_requested,
        run_at,
    }
}

/// Claims due jobs of one lane, best priority first; empty if nothing is due, the lane is paused or
/// limited, or the process is declared dead.
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
    take(db, request, above, LEAST_URGENT, false).await
}

async fn take<'e>(
    db: impl PgExecutor<'e>,
    request: &ClaimRequest<'_>,
    above: &LowWater,
    last_priority: i16,
    limit_seen: bool,
) -> Result<Vec<ClaimedJob>> {
    let token = request.token.unwrap_or_else(rand::random);
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/claim.sql"))
        .bind(request.queue)
        .bind(request.process_id.0)
        .bind(i32::from(request.limit))
        .bind(token)
        .bind(interval(request.deadline))
        .bind(above.instants())
        .bind(above.ids())
        .bind(request.kinds)
        .bind(limit_seen)
        .bind(last_priority)
        .fetch_all(db)
        .await?;
    let mut jobs: Vec<ClaimedJob> = rows
        .into_iter()
        .map(|row| claimed(row, request, token))
        .collect();
    jobs.sort_unstable_by_key(|job| (job.priority, job.run_at, job.lease.job_id));
    Ok(jobs)
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
    take_suspect(db, request, false).await
}

async fn take_suspect<'e>(
    db: impl PgExecutor<'e>,
    request: &ClaimRequest<'_>,
    limit_seen: bool,
) -> Result<Option<ClaimedJob>> {
    let token = request.token.unwrap_or_else(rand::random);
    let row: Option<Row> = sqlx::query_as(include_str!("sql/claim_suspect.sql"))
        .bind(request.queue)
        .bind(request.process_id.0)
        .bind(token)
        .bind(interval(request.deadline))
        .bind(request.kinds)
        .bind(limit_seen)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| claimed(row, request, token)))
}

async fn take_begun<'e>(
    db: impl PgExecutor<'e>,
    request: &ClaimRequest<'_>,
) -> Result<Vec<ClaimedJob>> {
    let token = request.token.unwrap_or_else(rand::random);
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/claim_begun.sql"))
        .bind(request.queue)
        .bind(request.process_id.0)
        .bind(i32::from(request.limit))
        .bind(token)
        .bind(interval(request.deadline))
        .bind(request.kinds)
        .fetch_all(db)
        .await?;
    let jobs = rows.into_iter().map(|row| claimed(row, request, token));
    Ok(jobs.collect())
}

/// What a claim from a limited lane brought.
#[derive(Debug, Default)]
pub struct LimitedClaim {
    /// The jobs.
    pub jobs: Vec<ClaimedJob>,
    /// The limit left no room for more: look again when one has ended.
    pub full: bool,
    /// The lane is closed to new jobs, or to those that are not most urgent: look again after this long.
    pub opens_in: Option<Duration>,
}

/// As [`claim_above`] and [`claim_suspect`] together, from a lane with a limit; what was begun comes
/// first, whether the lane is closed or not. Claimers of the lane wait for each other: the row of the
/// lane is locked while running jobs are counted.
///
/// # Errors
/// The database's.
pub async fn claim_limited(
    pool: &Pool,
    request: &ClaimRequest<'_>,
    above: &LowWater,
) -> Result<LimitedClaim> {
    let mut tx = certmill_pg::begin(pool).await?;
    let Some(gate) = Gate::lock(&mut tx, request.queue).await? else {
        return Ok(LimitedClaim::default());
    };
    let opens_in = gate.opens_in();
    let room = gate.room(&mut tx, request.queue).await?;
    let most = room.map_or(request.limit, |room| room.min(request.limit));
    let left = |jobs: &Vec<ClaimedJob>| {
        let limit = most.saturating_sub(u16::try_from(jobs.len()).unwrap_or(u16::MAX));
        (limit > 0).then_some(ClaimRequest { limit, ..*request })
    };
    let (mut jobs, last_priority) = (Vec::new(), gate.last_priority());
    if let Some(request) = left(&jobs) {
        jobs.extend(take_begun(&mut *tx, &request).await?);
    }
    if let (Some(request), Some(LEAST_URGENT)) = (left(&jobs), last_priority) {
        jobs.extend(take_suspect(&mut *tx, &request, true).await?);
    }
    if let (Some(request), Some(last)) = (left(&jobs), last_priority) {
        jobs.extend(take(&mut *tx, &request, above, last, true).await?);
    }
    tx.commit().await?;
    let full = room.is_some_and(|room| jobs.len() >= usize::from(room));
    Ok(LimitedClaim {
        jobs,
        full,
        opens_in,
    })
}

/// What a lane's row lets through.
#[derive(sqlx::FromRow)]
struct Gate {
    max_running: Option<i32>,
    closed_us: Option<i64>,
    reserved_us: Option<i64>,
}

impl Gate {
    /// Locks the lane's row until the end of the transaction; none if it is paused or gone.
    async fn lock(conn: &mut PgConnection, queue: &str) -> Result<Option<Self>> {
        // Both ends come from one reading of the clock.
        Ok(sqlx::query_as(
            "SELECT max_running, \
                    (extract(epoch FROM closed_until - clock_timestamp()) * 1000000)::bigint AS closed_us, \
                    (extract(epoch FROM reserved_until - clock_timestamp()) * 1000000)::bigint AS reserved_us \
             FROM lane WHERE name = $1 AND paused_at IS NULL FOR NO KEY UPDATE",
        )
        .bind(queue)
        .fetch_optional(conn)
        .await?)
    }

    /// The last priority that may be claimed; none while it is closed to all.
    fn last_priority(&self) -> Option<i16> {
        let waits = |us: Option<i64>| us.is_some_and(|us| us > 0);
        match (waits(self.closed_us), waits(self.reserved_us)) {
            (true, _) => None,
            (false, true) => Some(0),
            (false, false) => Some(LEAST_URGENT),
        }
    }

    /// Until more may be claimed than now; none if everything may.
    fn opens_in(&self) -> Option<Duration> {
        let ends = [self.closed_us, self.reserved_us].into_iter().flatten();
        let ends = ends.filter_map(|us| u64::try_from(us).ok());
        ends.filter(|us| *us > 0).min().map(Duration::from_micros)
    }

    /// How many more jobs of the lane may run; none = any number.
    async fn room(&self, conn: &mut PgConnection, queue: &str) -> Result<Option<u16>> {
        let Some(limit) = self.max_running else {
            return Ok(None);
        };
        // A statement of its own: its snapshot is younger than the lock, so that it sees what the
        // last holder claimed.
        let running: i64 =
            sqlx::query_scalar("SELECT count(*) FROM job WHERE queue = $1 AND state = 1")
                .bind(queue)
                .fetch_one(conn)
                .await?;
        let room = i64::from(limit).saturating_sub(running).max(0);
        Ok(Some(u16::try_from(room).unwrap_or(u16::MAX)))
    }
}
