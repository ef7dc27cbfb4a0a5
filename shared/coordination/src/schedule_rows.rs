//! Schedules as they are shown.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::Result;

/// A schedule with its last settled slot, and what became of the last job.
#[derive(Debug, Clone)]
pub struct ScheduleRow {
    /// Its name.
    pub name: String,
    /// The distance of its slots.
    pub period: Duration,
    /// The first slot that is not settled yet.
    pub next_slot: OffsetDateTime,
    /// The newest settled slot, if any.
    pub last_slot: Option<OffsetDateTime>,
    /// The last job that it emitted, if any.
    pub last_job: Option<LastJob>,
}

/// The last job of a schedule.
#[derive(Debug, Clone)]
pub struct LastJob {
    /// The job.
    pub id: i64,
    /// How it ended, or that it did not yet; none if the history holds it no more.
    pub standing: Option<Standing>,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
    /// How long its last attempt took.
    pub took: Option<Duration>,
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a worker.
    Waiting,
    /// It runs.
    Running,
    /// It did what it was to do.
    Completed,
    /// Its attempts are used up.
    Discarded,
    /// Somebody cancelled it.
    Cancelled,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Discarded => "discarded",
            Self::Cancelled => "cancelled",
        }
    }

    /// As `job.state` and `job_history.outcome` count.
    fn of(number: i16) -> Option<Self> {
        Some(match number {
            0 => Self::Waiting,
            1 => Self::Running,
            2 => Self::Completed,
            3 => Self::Discarded,
            4 => Self::Cancelled,
            _ => return None,
        })
    }
}

#[derive(FromRow)]
struct Row {
    name: String,
    period_s: f64,
    next_slot: OffsetDateTime,
    last_slot: Option<OffsetDateTime>,
    last_job_id: Option<i64>,
    standing: Option<i16>,
    ended_at: Option<OffsetDateTime>,
    took_s: Option<f64>,
}

/// All schedules by name.
///
/// # Errors
/// The database's.
pub async fn schedule_rows(pool: &Pool) -> Result<Vec<ScheduleRow>> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/schedule_rows.sql"))
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(shown).collect())
}

fn shown(row: Row) -> ScheduleRow {
    let span = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
    ScheduleRow {
        name: row.name,
        period: span(row.period_s),
        next_slot: row.next_slot,
        last_slot: row.last_slot,
        last_job: row.last_job_id.map(|id| LastJob {
            id,
            standing: row.standing.and_then(Standing::of),
            ended_at: row.ended_at,
            took: row.took_s.map(span),
        }),
    }
}
