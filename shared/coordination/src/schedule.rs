//! Schedules: a fixed grid of slots, one row for each in the end.
//!
//! Invariant: every slot from `first_slot` on has one row in `schedule_tick`, a tick with its own
//! job or an explicit skip, written under the epoch and holder of a running term.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;
use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::leader::Term;
use crate::span::interval;
use crate::{Error, Result};

/// A schedule as it is declared.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The distance of its slots, 1 s or more.
    pub period: Duration,
    /// The team that its jobs belong to.
    pub team_id: i32,
    /// The lane of its jobs; must be declared.
    pub queue: String,
    /// Their kind.
    pub kind: String,
    /// 0 (first) to 4 (last).
    pub priority: i16,
    /// Failed attempts after which a job is discarded.
    pub max_attempts: i16,
    /// Their arguments.
    pub args: Value,
}

/// A schedule with at least one slot to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSlot {
    /// The schedule.
    pub schedule: String,
    /// The first slot without a row.
    pub next_slot: OffsetDateTime,
    /// The newest slot whose instant has come.
    pub newest_slot: OffsetDateTime,
}

/// What is to be settled now, and when to look again.
#[derive(Debug, Clone, Default)]
pub struct Due {
    /// Schedules with slots to settle.
    pub slots: Vec<DueSlot>,
    /// How long until the next slot of the others; `None` without schedules.
    pub next_in: Option<Duration>,
}

/// What a tick did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticked {
    /// The newest slot has its job.
    Emitted {
        /// The job.
        job_id: i64,
        /// Slots that were passed over and are written as skipped.
        skipped: i64,
    },
    /// Only skips were written.
    Skipped {
        /// How many.
        slots: i64,
        /// More are to come: call again.
        more: bool,
    },
    /// The term is over: nothing was written.
    NotLeader,
    /// Somebody settled it meanwhile, or it is not due yet: nothing was written.
    Taken,
}

/// Creates the schedule or brings it up to date; repeating it changes nothing. Its slots begin
/// with the first whole period after now; with another period the grid begins anew there.
///
/// # Errors
/// [`Error::Period`], else the database's.
pub async fn declare(pool: &Pool, schedule: &Schedule) -> Result<()> {
    if schedule.period < Duration::from_secs(1) {
        return Err(Error::Period {
            schedule: schedule.name.clone(),
            period: schedule.period,
        });
    }
    sqlx::query(include_str!("sql/declare.sql"))
        .bind(&schedule.name)
        .bind(interval(schedule.period))
        .bind(schedule.team_id)
        .bind(&schedule.queue)
        .bind(&schedule.kind)
        .bind(schedule.priority)
        .bind(schedule.max_attempts)
        .bind(&schedule.args)
        .execute(pool)
        .await?;
    Ok(())
}

/// What is to be settled now.
///
/// # Errors
/// The database's.
pub async fn due(pool: &Pool) -> Result<Due> {
    let rows: Vec<(String, OffsetDateTime, OffsetDateTime, i64)> =
        sqlx::query_as(include_str!("sql/due.sql"))
            .fetch_all(pool)
            .await?;
    let mut due = Due::default();
    for (schedule, next_slot, newest_slot, next_in_ms) in rows {
        if newest_slot >= next_slot {
            due.slots.push(DueSlot {
                schedule,
                next_slot,
                newest_slot,
            });
            continue;
        }
        let next_in = Duration::from_millis(u64::try_from(next_in_ms).unwrap_or(0));
        due.next_in = Some(due.next_in.map_or(next_in, |soonest| soonest.min(next_in)));
    }
    Ok(due)
}

#[derive(FromRow)]
struct TickRow {
    terms: i64,
    job_id: Option<i64>,
    skipped: i64,
    next_slot: Option<OffsetDateTime>,
}

/// Settles the slots of one schedule under a term, in one statement.
///
/// # Errors
/// The database's. A violated primary key of `schedule_tick` is a defect and stays loud.
pub async fn tick(pool: &Pool, term: &Term, slot: &DueSlot) -> Result<Ticked> {
    if !term.is_held() {
        return Ok(Ticked::NotLeader);
    }
    tick_as(pool, term, slot).await
}

/// [`tick`] without the look at our own clock: what the statement alone guards.
async fn tick_as(pool: &Pool, term: &Term, slot: &DueSlot) -> Result<Ticked> {
    let row: TickRow = sqlx::query_as(include_str!("sql/tick.sql"))
        .bind(term.holder())
        .bind(term.epoch())
        .bind(&slot.schedule)
        .bind(slot.next_slot)
        .bind(slot.newest_slot)
        .bind(term.name())
        .fetch_one(pool)
        .await?;
    Ok(match row {
        TickRow { terms: 0, .. } => Ticked::NotLeader,
        TickRow {
            next_slot: None, ..
        } => Ticked::Taken,
        TickRow {
            job_id: Some(job_id),
            skipped,
            ..
        } => Ticked::Emitted { job_id, skipped },
        TickRow {
            skipped,
            next_slot: Some(next),
            ..
        } => Ticked::Skipped {
            slots: skipped,
            more: next <= slot.newest_slot,
        },
    })
}

/// Removes ticks older than `keep` (10 000 at most) and moves the beginning of their schedules
/// with them, under a term; 0 if that is over.
///
/// # Errors
/// The database's.
pub async fn prune(pool: &Pool, term: &Term, keep: Duration) -> Result<u64> {
    if !term.is_held() {
        return Ok(0);
    }
    let removed: i64 = sqlx::query_scalar(include_str!("sql/prune.sql"))
        .bind(term.holder())
        .bind(term.epoch())
        .bind(interval(keep))
        .bind(term.name())
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(removed).unwrap_or(0))
}
