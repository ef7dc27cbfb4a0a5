//! Enqueuing, in the caller's transaction.
//!
//! Invariant: at most one live job has a unique key; who asks again learns that job's id.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::collections::HashMap;
use std::time::Duration;

use certmill_domain::ids::{JobId, TeamId};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::span::micros;
use crate::{Error, Result, unfit};

/// How often a key's live job may end between the insert and the look before we give up.
const LOOKS: u32 = 5;

/// When a job may start, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At once.
    Now,
    /// From this instant on.
    At(OffsetDateTime),
    /// This long after the enqueuing transaction began.
    After(Duration),
}

/// A job to be enqueued. Start from [`NewJob::new`] and change what differs.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The team that it belongs to.
    pub team_id: TeamId,
    /// The lane.
    pub queue: String,
    /// The kind of work.
    pub kind: String,
    /// 0 (first) to 4 (last).
    pub priority: i16,
    /// When it may start.
    pub start: Start,
    /// Failed attempts after which it is discarded.
    pub max_attempts: i16,
    /// No second live job with this key.
    pub unique_key: Option<Vec<u8>>,
    /// The key is free again as soon as the job is claimed: what is asked for while it runs becomes
    /// a job of its own. A repeat of such a job has no key.
    pub unique_until_start: bool,
    /// The shown id of what it is about.
    pub object: Option<String>,
    /// The trace that it continues.
    pub trace_id: Option<String>,
    /// The arguments of its kind.
    pub args: Value,
}

impl NewJob {
    /// A job that starts at once, priority 2, 25 attempts, no key.
    #[must_use]
    pub fn new(
        team_id: TeamId,
        queue: impl Into<String>,
        kind: impl Into<String>,
        args: Value,
    ) -> Self {
        Self {
            team_id,
            queue: queue.into(),
            kind: kind.into(),
            priority: 2,
            start: Start::Now,
            max_attempts: 25,
            unique_key: None,
            unique_until_start: false,
            object: None,
            trace_id: None,
            args,
        }
    }
}

/// What became of a job to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was inserted.
    New(JobId),
    /// A live job has its unique key already.
    Present(JobId),
}

impl Enqueued {
    /// The job's id, new or present.
    #[must_use]
    pub fn id(self) -> JobId {
        match self {
            Self::New(id) | Self::Present(id) => id,
        }
    }

    /// Whether it was inserted by this call.
    #[must_use]
    pub fn is_new(self) -> bool {
        matches!(self, Self::New(_))
    }
}

/// Enqueues one job.
///
/// # Errors
/// As [`enqueue_all`].
pub async fn enqueue(conn: &mut PgConnection, job: &NewJob) -> Result<Enqueued> {
    let answers = enqueue_all(conn, std::slice::from_ref(job)).await?;
    answers.first().copied().ok_or(Error::Busy)
}

/// Enqueues many jobs in one statement; the answers come in the order of `jobs`.
///
/// # Errors
/// [`Error::Unfit`] if one cannot be stored (see [`crate::unfit`] for the limits),
/// [`Error::UnknownLane`] if a queue is not declared (roll back), [`Error::Busy`] if keys kept
/// changing under it, else the database's.
pub async fn enqueue_all(conn: &mut PgConnection, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    for job in jobs {
        unfit::check(job).map_err(|why| Error::Unfit {
            kind: job.kind.chars().take(64).collect(),
            why,
        })?;
    }
    let mut answers: Vec<Option<Enqueued>> = vec![None; jobs.len()];
    for _ in 0..LOOKS {
        let mut open: Vec<usize> = (0..jobs.len()).filter(|&i| answers[i].is_none()).collect();
        if open.is_empty() {
            break;
        }
        // Keyless jobs first (None < Some), then by key: see the trap in enqueue.sql.
        open.sort_by(|&a, &b| jobs[a].unique_key.cmp(&jobs[b].unique_key));
        let inserted = insert(conn, jobs, &open).await?;
        require_lanes(conn, jobs, &open, &inserted).await?;
        note_inserted(jobs, &open, inserted, &mut answers);
        note_present(conn, jobs, &open, &mut answers).await?;
    }
    answers
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .ok_or(Error::Busy)
}

type Inserted = Vec<(i64, Option<Vec<u8>>)>;

async fn insert(conn: &mut PgConnection, jobs: &[NewJob], open: &[usize]) -> Result<Inserted> {
    let pick = || open.iter().map(|&i| &jobs[i]);
    let run_at = |job: &NewJob| match job.start {
        Start::At(at) => Some(at),
        Start::Now | Start::After(_) => None,
    };
    let delay_us = |job: &NewJob| match job.start {
        Start::After(delay) => micros(delay),
        Start::Now | Start::At(_) => 0,
    };
    Ok(sqlx::query_as(include_str!("sql/enqueue.sql"))
        .bind(column(pick().map(|j| j.team_id.0)))
        .bind(column(pick().map(|j| j.queue.as_str())))
        .bind(column(pick().map(|j| j.kind.as_str())))
        .bind(column(pick().map(|j| j.priority)))
        .bind(sparse(pick().map(run_at)))
        .bind(column(pick().map(delay_us)))
        .bind(column(pick().map(|j| j.max_attempts)))
        .bind(sparse(pick().map(|j| j.unique_key.as_deref())))
        .bind(column(pick().map(|j| j.unique_until_start)))
        .bind(sparse(pick().map(|j| j.object.as_deref())))
        .bind(sparse(pick().map(|j| j.trace_id.as_deref())))
        .bind(pick().map(|j| Json(&j.args)).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?)
}

/// A column, or its one value if all jobs have the same.
fn column<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        values.truncate(1);
    }
    values
}

/// A column of which most jobs have nothing, or nothing at all if none has any.
fn sparse<T>(values: impl Iterator<Item = Option<T>>) -> Vec<Option<T>> {
    let mut values: Vec<Option<T>> = values.collect();
    if values.iter().all(Option::is_none) {
        values.clear();
    }
    values
}

/// Fewer rows than jobs can be a duplicate key or an undeclared lane; only then it is looked up.
async fn require_lanes(
    conn: &mut PgConnection,
    jobs: &[NewJob],
    open: &[usize],
    inserted: &Inserted,
) -> Result<()> {
    if inserted.len() == open.len() {
        return Ok(());
    }
    let queues: Vec<&str> = open.iter().map(|&i| jobs[i].queue.as_str()).collect();
    let missing: Option<String> = sqlx::query_scalar(
        "SELECT q FROM unnest($1::text[]) q \
         WHERE NOT EXISTS (SELECT 1 FROM lane WHERE name = q) LIMIT 1",
    )
    .bind(queues)
    .fetch_optional(conn)
    .await?;
    missing.map_or(Ok(()), |queue| Err(Error::UnknownLane { queue }))
}

fn note_inserted(
    jobs: &[NewJob],
    open: &[usize],
    inserted: Inserted,
    answers: &mut [Option<Enqueued>],
) {
    let (mut keyless, mut keyed) = (Vec::new(), HashMap::new());
    for (id, key) in inserted {
        match key {
            None => keyless.push(id),
            Some(key) => {
                keyed.insert(key, id);
            }
        }
    }
    // Ids rise in insertion order, so sorted ids meet the keyless jobs in input order.
    keyless.sort_unstable();
    let mut keyless = keyless.into_iter();
    for &i in open {
        let id = match &jobs[i].unique_key {
            None => keyless.next(),
            // The first of several equal keys in one call was inserted, the others meet it.
            Some(key) => keyed.remove(key),
        };
        answers[i] = id.map(|id| Enqueued::New(JobId(id)));
    }
}

async fn note_present(
    conn: &mut PgConnection,
    jobs: &[NewJob],
    open: &[usize],
    answers: &mut [Option<Enqueued>],
) -> Result<()> {
    let missing: Vec<usize> = open
        .iter()
        .copied()
        .filter(|&i| answers[i].is_none())
        .collect();
    let keys: Vec<&[u8]> = missing
        .iter()
        .filter_map(|&i| jobs[i].unique_key.as_deref())
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    let rows: Vec<(Vec<u8>, i64)> =
        sqlx::query_as("SELECT unique_key, id FROM job WHERE unique_key = ANY ($1)")
            .bind(keys)
            .fetch_all(conn)
            .await?;
    let live: HashMap<Vec<u8>, i64> = rows.into_iter().collect();
    for i in missing {
        let id = jobs[i].unique_key.as_ref().and_then(|key| live.get(key));
        answers[i] = id.map(|&id| Enqueued::Present(JobId(id)));
    }
    Ok(())
}
