//! Looking at jobs, live and ended.
//!
//! Invariant: the shown state of a job is derived in SQL from one snapshot; counts are bounded, so that a
//! look never costs a scan of everything.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_domain::ids::{JobId, TeamId};
use certmill_domain::job::JobState;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use time::OffsetDateTime;

use crate::{ProcessId, Result};

/// Counting a state stops here.
const MOST_COUNTED: i64 = 10_000;

/// A job as it is shown.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// The team that it belongs to.
    pub team_id: TeamId,
    /// The lane.
    pub queue: String,
    /// The kind of work.
    pub kind: String,
    /// 0 (first) to 4 (last).
    pub priority: i16,
    /// The shown state.
    pub state: JobState,
    /// Why it waits, where somebody said so.
    pub waiting_code: Option<String>,
    /// When it is or was due.
    pub run_at: OffsetDateTime,
    /// When it was enqueued.
    pub created_at: OffsetDateTime,
    /// Attempts that count so far.
    pub attempt: i16,
    /// Failed attempts after which it is discarded.
    pub max_attempts: i16,
    /// How often in a row its process was lost.
    pub lost: i16,
    /// Who has it or had it last.
    pub worker_id: Option<ProcessId>,
    /// When it was claimed last.
    pub claimed_at: Option<OffsetDateTime>,
    /// When it is rescued from a handler that hangs.
    pub deadline_at: Option<OffsetDateTime>,
    /// When it ended.
    pub finalized_at: Option<OffsetDateTime>,
    /// Cancelling was asked for while it runs.
    pub cancel_requested: bool,
    /// Its unique key.
    pub unique_key: Option<Vec<u8>>,
    /// The shown id of what it is about.
    pub object: Option<String>,
    /// The trace that it continues.
    pub trace_id: Option<String>,
    /// The last failure.
    pub error: Option<Value>,
    /// What it completed with.
    pub result: Option<Value>,
    /// The arguments of its kind.
    pub args: Value,
}

impl FromRow<'_, PgRow> for JobRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: JobId(row.try_get("id")?),
            team_id: TeamId(row.try_get("team_id")?),
            queue: row.try_get("queue")?,
            kind: row.try_get("kind")?,
            priority: row.try_get("priority")?,
            state: shown(row)?,
            waiting_code: row.try_get("waiting_code")?,
            run_at: row.try_get("run_at")?,
            created_at: row.try_get("created_at")?,
            attempt: row.try_get("attempt")?,
            max_attempts: row.try_get("max_attempts")?,
            lost: row.try_get("lost")?,
            worker_id: row.try_get::<Option<i64>, _>("worker_id")?.map(ProcessId),
            claimed_at: row.try_get("claimed_at")?,
            deadline_at: row.try_get("deadline_at")?,
            finalized_at: row.try_get("finalized_at")?,
            cancel_requested: row.try_get("cancel_requested")?,
            unique_key: row.try_get("unique_key")?,
            object: row.try_get("object")?,
            trace_id: row.try_get("trace_id")?,
            error: row.try_get("error")?,
            result: row.try_get("result")?,
            args: row.try_get("args")?,
        })
    }
}

fn shown(row: &PgRow) -> sqlx::Result<JobState> {
    let word: &str = row.try_get("shown")?;
    word.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Which jobs to list; the default is all of them, an empty list means any.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of this team only.
    pub team_id: Option<TeamId>,
    /// In one of these states.
    pub states: Vec<JobState>,
    /// In one of these lanes.
    pub queues: Vec<String>,
    /// Of one of these kinds.
    pub kinds: Vec<String>,
}

/// How many jobs are in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateCount {
    /// The state.
    pub state: JobState,
    /// How many, at most 10 000.
    pub count: i64,
    /// There are more than that.
    pub more: bool,
}

/// One failed or lost attempt.
#[derive(Debug, Clone, FromRow)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub attempt: i16,
    /// The fence that it ran under.
    pub fence: i32,
    /// The process that ran it.
    pub worker_id: Option<i64>,
    /// The name of that process, while its row is kept.
    pub worker: Option<String>,
    /// When it was claimed.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub ended_at: OffsetDateTime,
    /// The class of the fault, or `lost_worker`.
    pub class: String,
    /// What went wrong.
    pub error: Option<Value>,
    /// The trace that it continued.
    pub trace_id: Option<String>,
    /// What its handler logged: a list of `{at, level, text}`.
    pub log: Option<Value>,
}

/// The job with this id, live or ended. Read committed (the default) is needed: a job only ever goes
/// from live to ended, so one that is not found live any more is found by the second, later snapshot.
/// The history's partitions are probed for ended jobs only.
///
/// # Errors
/// The database's.
pub async fn by_id(conn: &mut PgConnection, id: JobId) -> Result<Option<JobRow>> {
    let live = sqlx::query_as(include_str!("sql/by_id.sql"))
        .bind(id.0)
        .fetch_optional(&mut *conn)
        .await?;
    if live.is_some() {
        return Ok(live);
    }
    Ok(sqlx::query_as(include_str!("sql/ended_by_id.sql"))
        .bind(id.0)
        .fetch_optional(conn)
        .await?)
}

/// One page of jobs, newest id first; the next page starts `before` the last id of this one.
///
/// # Errors
/// The database's.
pub async fn list(
    conn: &mut PgConnection,
    filter: &JobFilter,
    before: Option<JobId>,
    limit: u16,
) -> Result<Vec<JobRow>> {
    let states: Vec<&str> = filter.states.iter().map(|s| s.as_str()).collect();
    Ok(sqlx::query_as(include_str!("sql/list.sql"))
        .bind(filter.team_id.map(|team| team.0))
        .bind((!states.is_empty()).then_some(states))
        .bind((!filter.queues.is_empty()).then_some(&filter.queues))
        .bind((!filter.kinds.is_empty()).then_some(&filter.kinds))
        .bind(before.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?)
}

/// How many jobs are in each state, each count bounded.
///
/// # Errors
/// The database's.
pub async fn counts(conn: &mut PgConnection, team_id: Option<TeamId>) -> Result<Vec<StateCount>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(include_str!("sql/counts.sql"))
        .bind(team_id.map(|team| team.0))
        .bind(MOST_COUNTED + 1)
        .fetch_all(conn)
        .await?;
    let count = |state: JobState| {
        let counted = rows
            .iter()
            .find(|(word, _)| word == state.as_str())
            .map_or(0, |(_, n)| *n);
        StateCount {
            state,
            count: counted.min(MOST_COUNTED),
            more: counted > MOST_COUNTED,
        }
    };
    Ok(JobState::ALL.into_iter().map(count).collect())
}

/// The newest failed and lost attempts of a job, at most `limit`, oldest first.
///
/// # Errors
/// The database's.
pub async fn attempts(conn: &mut PgConnection, id: JobId, limit: u16) -> Result<Vec<AttemptRow>> {
    let mut rows: Vec<AttemptRow> = sqlx::query_as(
        "SELECT a.attempt, a.fence, a.worker_id, p.label AS worker, a.started_at, a.ended_at, \
                a.class, a.error, a.trace_id, a.log \
         FROM job_attempt a LEFT JOIN process p ON p.id = a.worker_id \
         WHERE a.job_id = $1 ORDER BY a.fence DESC LIMIT $2",
    )
    .bind(id.0)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    rows.reverse();
    Ok(rows)
}
