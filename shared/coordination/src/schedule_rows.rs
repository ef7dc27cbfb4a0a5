//! Schedules as they are shown.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::Result;

/// A schedule with its last settled slot.
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
    /// The job of the last emitted slot, if any.
    pub last_job_id: Option<i64>,
}

#[derive(FromRow)]
struct Row {
    name: String,
    period_s: f64,
    next_slot: OffsetDateTime,
    last_slot: Option<OffsetDateTime>,
    last_job_id: Option<i64>,
}

/// All schedules by name.
///
/// # Errors
/// The database's.
pub async fn schedule_rows(pool: &Pool) -> Result<Vec<ScheduleRow>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT s.name, extract(epoch FROM s.period)::float8 AS period_s, s.next_slot, s.last_job_id, \
                (SELECT max(t.slot) FROM schedule_tick t WHERE t.schedule = s.name) AS last_slot \
         FROM schedule s ORDER BY s.name",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ScheduleRow {
            name: row.name,
            period: Duration::try_from_secs_f64(row.period_s).unwrap_or_default(),
            next_slot: row.next_slot,
            last_slot: row.last_slot,
            last_job_id: row.last_job_id,
        })
        .collect())
}
