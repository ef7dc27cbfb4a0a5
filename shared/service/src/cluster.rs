//! The replicas on this database: processes, leader, schedules.

use crate::{Context, Error};
use certmill_coordination::budget::{self, Headroom};
use certmill_coordination::leader::{self, LeaderRow, TermRow};
use certmill_coordination::{ScheduleRow, schedule_rows};
use certmill_domain::budget::Scope;
use certmill_queue::process::{self, ProcessRow};

/// The name of the leader's lease.
pub const LEADER: &str = "scheduler";
/// Most terms that are shown.
const TERMS_SHOWN: i64 = 10;

/// What runs on this database.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Processes that live, and those dead for less than an hour.
    pub processes: Vec<ProcessRow>,
    /// The leader's lease, if one was ever taken.
    pub leader: Option<LeaderRow>,
    /// The newest terms, the newest first.
    pub terms: Vec<TermRow>,
    /// The schedules with their last slots.
    pub schedules: Vec<ScheduleRow>,
    /// What CAs may be asked for.
    pub budgets: Vec<Headroom>,
}

/// Reads all of it.
///
/// # Errors
/// Failures of the database.
pub async fn read(context: &Context) -> Result<Cluster, Error> {
    let mut tx = context.begin().await?;
    let processes = process::processes(&mut tx).await?;
    drop(tx);
    Ok(Cluster {
        processes,
        leader: leader::current(&context.pool, LEADER).await?,
        terms: leader::terms(&context.pool, LEADER, TERMS_SHOWN).await?,
        schedules: schedule_rows(&context.pool).await?,
        budgets: budget::headroom(&context.pool, Scope::Account.as_str()).await?,
    })
}
