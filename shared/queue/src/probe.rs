//! One look at all lanes of a process.
//!
//! Invariant: one statement, whatever the number of lanes, so that idling costs next to nothing.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;

use crate::Result;

/// What one lane has to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLane {
    /// The lane.
    pub queue: String,
    /// Something is due.
    pub ready: bool,
    /// A job whose process was lost twice in a row is due.
    pub suspect: bool,
    /// How long until the earliest waiting job is due; zero if one is.
    pub next_in: Option<Duration>,
    /// The same of the jobs that were begun, which a closed lane gives too.
    pub begun_in: Option<Duration>,
}

type Row = (String, bool, bool, Option<i64>, Option<i64>);

/// Looks at all given lanes at once, for jobs of these kinds; none = any.
///
/// # Errors
/// The database's.
pub async fn probe_due(
    pool: &Pool,
    queues: &[&str],
    kinds: Option<&[String]>,
) -> Result<Vec<DueLane>> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/probe.sql"))
        .bind(queues)
        .bind(kinds)
        .fetch_all(pool)
        .await?;
    let span = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let lane = |(queue, ready, suspect, next_in_ms, begun_in_ms): Row| DueLane {
        queue,
        ready,
        suspect,
        next_in: next_in_ms.map(span),
        begun_in: begun_in_ms.map(span),
    };
    Ok(rows.into_iter().map(lane).collect())
}
