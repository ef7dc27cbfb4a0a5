//! Rows of processes: register, beat, resign, look.
//!
//! Invariant: a row belongs to one incarnation; once it is declared dead it stays dead, and its
//! process must stop all work and register anew.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::newest_migration;
use certmill_telemetry::clock::now_utc;
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, FromRow, PgConnection, Row};
use time::OffsetDateTime;

use crate::span::interval;
use crate::{Error, ProcessId, Result, other_api};

/// A process that begins.
#[derive(Debug, Clone)]
pub struct NewProcess {
    /// api, worker, scheduler, up.
    pub role: String,
    /// The name that people gave it.
    pub label: String,
    /// The build that it runs.
    pub version: String,
    /// The lanes (names and globs) that it takes jobs from.
    pub queues: Vec<String>,
    /// The kinds of jobs that it can run; none for a process that runs no jobs.
    pub kinds: Vec<String>,
    /// How many jobs it runs at once.
    pub capacity: Option<i32>,
    /// Where its API keeps its limits, `postgres` or `memory`; none for a process without an API.
    pub limits: Option<String>,
    /// Silence of this length means death; 30 s unless a test shortens it.
    pub lease: Duration,
}

/// A process as it is shown.
#[derive(Debug, Clone)]
pub struct ProcessRow {
    /// Its id.
    pub id: ProcessId,
    /// api, worker, scheduler, up.
    pub role: String,
    /// The name that people gave it.
    pub label: String,
    /// The build that it runs.
    pub version: String,
    /// The lanes that it takes jobs from.
    pub queues: Vec<String>,
    /// The kinds of jobs that it can run.
    pub kinds: Vec<String>,
    /// How many jobs it runs at once.
    pub capacity: Option<i32>,
    /// When it registered.
    pub started_at: OffsetDateTime,
    /// Its last beat.
    pub last_beat_at: OffsetDateTime,
    /// When its lease ends.
    pub expires_at: OffsetDateTime,
    /// When it resigned or was declared dead.
    pub dead_at: Option<OffsetDateTime>,
    /// When it resigned; none for a process that others declared dead.
    pub stopped_at: Option<OffsetDateTime>,
    /// Where its API keeps its limits; none without an API, and for an older build.
    pub limits: Option<String>,
    /// Neither dead nor past its lease.
    pub alive: bool,
    /// How many jobs it has.
    pub running: i64,
    /// Its clock less the database's at the last beat, late by the way there; none for one that does
    /// not tell.
    pub skew_ms: Option<i64>,
    /// How many jobs it has taken from lost processes.
    pub rescued: i64,
    /// Newest migration that it knows; none for a build that did not tell.
    pub schema_known: Option<i64>,
}

impl FromRow<'_, PgRow> for ProcessRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: ProcessId(row.try_get("id")?),
            role: row.try_get("role")?,
            label: row.try_get("label")?,
            version: row.try_get("version")?,
            queues: row.try_get("queues")?,
            kinds: row.try_get("kinds")?,
            capacity: row.try_get("capacity")?,
            started_at: row.try_get("started_at")?,
            last_beat_at: row.try_get("last_beat_at")?,
            expires_at: row.try_get("expires_at")?,
            dead_at: row.try_get("dead_at")?,
            stopped_at: row.try_get("stopped_at")?,
            limits: row.try_get("limits")?,
            alive: row.try_get("alive")?,
            running: row.try_get("running")?,
            skew_ms: row.try_get("skew_ms")?,
            rescued: row.try_get("rescued")?,
            schema_known: row.try_get("schema_known")?,
        })
    }
}

/// Writes the row of a new process; its lease starts now.
///
/// # Errors
/// [`Error::NotAccepted`] where the schema has moved on without this build, [`Error::Limits`] where
/// the row of an API is there that does not go with this one; the database's.
pub async fn register(conn: &mut PgConnection, process: &NewProcess) -> Result<ProcessId> {
    let Some(own) = &process.limits else {
        return insert(conn, process).await;
    };
    // Of two that start at once, the second one sees the row of the first.
    let mut tx = conn.begin().await?;
    other_api::lock(&mut tx).await?;
    if let Some(other) = other_api::find(&mut tx, own).await?.pop() {
        return Err(Error::Limits {
            own: own.clone(),
            other: Box::new(other),
        });
    }
    let id = insert(&mut tx, process).await?;
    tx.commit().await?;
    Ok(id)
}

async fn insert(conn: &mut PgConnection, process: &NewProcess) -> Result<ProcessId> {
    let known = newest_migration();
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO process (role, label, version, queues, kinds, capacity, lease, expires_at, schema_known, limits) \
         SELECT $1, $2, $3, $4, $5, $6, $7, clock_timestamp() + $7, $8, $9 \
         WHERE NOT EXISTS (SELECT FROM schema_acceptance WHERE builds_from > $8) RETURNING id",
    )
    .bind(&process.role)
    .bind(&process.label)
    .bind(&process.version)
    .bind(&process.queues)
    .bind(&process.kinds)
    .bind(process.capacity)
    .bind(interval(process.lease))
    .bind(known)
    .bind(&process.limits)
    .fetch_optional(conn)
    .await?;
    id.map(ProcessId).ok_or(Error::NotAccepted { known })
}

/// Renews the lease; false = declared dead, or of a build that the schema takes no longer: stop all
/// work and register anew.
///
/// # Errors
/// The database's.
pub async fn beat(conn: &mut PgConnection, id: ProcessId) -> Result<bool> {
    let row = sqlx::query(include_str!("sql/beat.sql"))
        .bind(id.0)
        .bind(now_utc())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Ends a process on purpose: it is dead at once, and what it still runs waits again without
/// counting as lost. Answers how many jobs that were.
///
/// # Errors
/// The database's.
pub async fn resign(conn: &mut PgConnection, id: ProcessId) -> Result<u64> {
    let released: i64 = sqlx::query_scalar(include_str!("sql/resign.sql"))
        .bind(id.0)
        .fetch_one(conn)
        .await?;
    Ok(u64::try_from(released).unwrap_or(0))
}

/// Living processes and those that died within the last hour, newest first.
///
/// # Errors
/// The database's.
pub async fn processes(conn: &mut PgConnection) -> Result<Vec<ProcessRow>> {
    Ok(sqlx::query_as(
        "SELECT p.id, p.role, p.label, p.version, p.queues, p.kinds, p.capacity, p.started_at, p.last_beat_at, \
                p.expires_at, p.dead_at, p.stopped_at, p.skew_ms, p.limits, p.rescued, p.schema_known, \
                p.dead_at IS NULL AND p.expires_at > clock_timestamp() AS alive, \
                coalesce(r.n, 0) AS running \
         FROM process p \
         LEFT JOIN (SELECT worker_id, count(*) AS n FROM job WHERE state = 1 GROUP BY worker_id) r \
           ON r.worker_id = p.id \
         WHERE p.dead_at IS NULL OR p.dead_at > now() - interval '1 hour' \
         ORDER BY p.id DESC",
    )
    .fetch_all(conn)
    .await?)
}

/// Removes the rows of processes that are dead for a day and own no job any more.
///
/// # Errors
/// The database's.
pub async fn prune(conn: &mut PgConnection) -> Result<u64> {
    let gone = sqlx::query(
        "DELETE FROM process p WHERE p.dead_at < now() - interval '1 day' \
         AND NOT EXISTS (SELECT 1 FROM job j WHERE j.state = 1 AND j.worker_id = p.id)",
    )
    .execute(conn)
    .await?;
    Ok(gone.rows_affected())
}
