//! Rescue: what a dead process held is handed out again.
//!
//! Invariant: nobody is declared dead, and no deadline is enforced, by a process whose own beats
//! had a gap within the last whole lease: after an outage of the database everybody gets the time
//! to beat first. A rescued job's fence has moved, so its former owner's writes fail.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_domain::ids::JobId;
use sqlx::PgConnection;

use crate::{ProcessId, Result};

/// What a rescue did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Wait again.
    pub returned: Vec<JobId>,
    /// Lost their process three times in a row.
    pub discarded: Vec<JobId>,
    /// Had been asked to stop.
    pub cancelled: Vec<JobId>,
}

impl Rescued {
    /// How many jobs were touched; as many as the limit means that there may be more.
    #[must_use]
    pub fn total(&self) -> usize {
        self.returned.len() + self.discarded.len() + self.cancelled.len()
    }
}

/// Declares processes dead whose lease has run out; nobody, unless `me` was itself steady for one
/// whole lease.
///
/// # Errors
/// The database's.
pub async fn mark_dead(conn: &mut PgConnection, me: ProcessId) -> Result<Vec<ProcessId>> {
    let ids: Vec<i64> = sqlx::query_scalar(include_str!("sql/mark_dead.sql"))
        .bind(me.0)
        .fetch_all(conn)
        .await?;
    Ok(ids.into_iter().map(ProcessId).collect())
}

/// Whether a look by [`rescue`] is worth a transaction: as a rule nothing is lost.
///
/// # Errors
/// The database's.
pub async fn is_due(conn: &mut PgConnection) -> Result<bool> {
    let due = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM job j WHERE j.state = 1 \
             AND (j.deadline_at < clock_timestamp() OR NOT EXISTS ( \
                 SELECT 1 FROM process w WHERE w.id = j.worker_id AND w.dead_at IS NULL)))",
    );
    Ok(due.fetch_one(conn).await?)
}

/// Counts at the rescuer what it took: for people, so a crash before it costs the count alone.
/// Trap: inside the transaction of the rescue it would hold the row that the rescuer's beats write.
///
/// # Errors
/// The database's.
pub async fn count(conn: &mut PgConnection, me: ProcessId, jobs: usize) -> Result<()> {
    sqlx::query("UPDATE process SET rescued = rescued + $2 WHERE id = $1")
        .bind(me.0)
        .bind(i64::try_from(jobs).unwrap_or(i64::MAX))
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes up to `limit` jobs from dead processes and from handlers past their deadline.
///
/// # Errors
/// The database's.
pub async fn rescue(conn: &mut PgConnection, me: ProcessId, limit: i32) -> Result<Rescued> {
    let rows: Vec<(i64, String)> = sqlx::query_as(include_str!("sql/rescue.sql"))
        .bind(me.0)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let mut rescued = Rescued::default();
    for (id, what) in rows {
        match what.as_str() {
            "returned" => rescued.returned.push(JobId(id)),
            "cancelled" => rescued.cancelled.push(JobId(id)),
            _ => rescued.discarded.push(JobId(id)),
        }
    }
    Ok(rescued)
}
