//! Operations as rows: one wish for many objects, how far it is, and where it goes on.
//!
//! Invariant: an operation that has ended is not written to any more.

use crate::Error;
use crate::error::{newer, readable};
use certmill_domain::ids::{JobId, OperationId, TeamId};
use certmill_domain::operation::OperationState;
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

macro_rules! columns {
    () => {
        "id, team_id, subject, verb, selector, settings, reason, state, job_id, total, \
         total_is_least, seen, done, skipped, cursor, abort_requested, aborted_by, fault, \
         requested_by, created_at, started_at, ended_at"
    };
}

macro_rules! one {
    () => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM operation WHERE id = $1 AND team_id = $2"
        )
    };
}

/// An operation to be stored.
#[derive(Debug, Clone)]
pub struct NewOperation<'a> {
    /// Its team.
    pub team_id: TeamId,
    /// What its selector means, such as `job`.
    pub subject: &'a str,
    /// What is done to each.
    pub verb: &'a str,
    /// Which ones.
    pub selector: Value,
    /// What the verb needs besides.
    pub settings: Value,
    /// Why, where it was said.
    pub reason: Option<&'a str>,
    /// How many are meant.
    pub total: i64,
    /// At least so many.
    pub total_is_least: bool,
    /// Where the first step begins.
    pub cursor: Value,
    /// Who wants it, as audit rows name them.
    pub requested_by: &'a str,
}

/// A stored operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Its team.
    pub team_id: TeamId,
    /// What its selector means.
    pub subject: String,
    /// What is done to each.
    pub verb: String,
    /// Which ones.
    pub selector: Value,
    /// What the verb needs besides.
    pub settings: Value,
    /// Why.
    pub reason: Option<String>,
    /// How far it is.
    pub state: OperationState,
    /// The job that takes its steps.
    pub job_id: Option<JobId>,
    /// How many were meant when it was asked for.
    pub total: i64,
    /// At least so many.
    pub total_is_least: bool,
    /// How many it came by.
    pub seen: i64,
    /// To how many it did what it is for.
    pub done: i64,
    /// Why it left the others alone: reason and how many.
    pub skipped: BTreeMap<String, i64>,
    /// Where the next step begins.
    pub cursor: Value,
    /// Somebody wants it stopped.
    pub abort_requested: bool,
    /// Who.
    pub aborted_by: Option<String>,
    /// Why it failed.
    pub fault: Option<String>,
    /// Who wants it.
    pub requested_by: String,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When its first step was taken.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    team_id: i32,
    subject: String,
    verb: String,
    selector: Value,
    settings: Value,
    reason: Option<String>,
    state: String,
    job_id: Option<i64>,
    total: i64,
    total_is_least: bool,
    seen: i64,
    done: i64,
    skipped: sqlx::types::Json<BTreeMap<String, i64>>,
    cursor: Value,
    abort_requested: bool,
    aborted_by: Option<String>,
    fault: Option<String>,
    requested_by: String,
    created_at: OffsetDateTime,
    started_at: Option<OffsetDateTime>,
    ended_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for Operation {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let state = row.state.parse();
        Ok(Self {
            id: OperationId(row.id),
            team_id: TeamId(row.team_id),
            subject: row.subject,
            verb: row.verb,
            selector: row.selector,
            settings: row.settings,
            reason: row.reason,
            state: state.map_err(|_| newer("operation.state", &row.state))?,
            job_id: row.job_id.map(JobId),
            total: row.total,
            total_is_least: row.total_is_least,
            seen: row.seen,
            done: row.done,
            skipped: row.skipped.0,
            cursor: row.cursor,
            abort_requested: row.abort_requested,
            aborted_by: row.aborted_by,
            fault: row.fault,
            requested_by: row.requested_by,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

/// Stores an operation that waits for its job.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn insert(
    conn: &mut PgConnection,
    operation: &NewOperation<'_>,
) -> Result<OperationId, Error> {
    let id = sqlx::query_scalar(
        "INSERT INTO operation (team_id, subject, verb, selector, settings, reason, total,
                                total_is_least, cursor, requested_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    )
    .bind(operation.team_id.0)
    .bind(operation.subject)
    .bind(operation.verb)
    .bind(&operation.selector)
    .bind(&operation.settings)
    .bind(operation.reason)
    .bind(operation.total)
    .bind(operation.total_is_least)
    .bind(&operation.cursor)
    .bind(operation.requested_by)
    .fetch_one(conn)
    .await?;
    Ok(OperationId(id))
}

/// Notes which job takes the steps.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn give_to(conn: &mut PgConnection, id: OperationId, job: JobId) -> Result<(), Error> {
    sqlx::query("UPDATE operation SET job_id = $2 WHERE id = $1")
        .bind(id.0)
        .bind(job.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// The operation of that id and team.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn by_id(
    conn: &mut PgConnection,
    team: TeamId,
    id: OperationId,
) -> Result<Operation, Error> {
    one(conn, one!(), team, id).await
}

/// As [`by_id`], locked until the transaction ends. Its job is locked before it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn lock(
    conn: &mut PgConnection,
    team: TeamId,
    id: OperationId,
) -> Result<Operation, Error> {
    one(conn, concat!(one!(), " FOR UPDATE"), team, id).await
}

async fn one(
    conn: &mut PgConnection,
    sql: &'static str,
    team: TeamId,
    id: OperationId,
) -> Result<Operation, Error> {
    sqlx::query_as::<_, Row>(sql)
        .bind(id.0)
        .bind(team.0)
        .fetch_one(conn)
        .await?
        .try_into()
}

/// A page of the team's operations in one of these states (any, if none is named), newest first,
/// `before` the last one of the page before.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn list(
    conn: &mut PgConnection,
    team: TeamId,
    states: &[OperationState],
    before: Option<OperationId>,
    limit: u16,
) -> Result<Vec<Operation>, Error> {
    let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM operation
         WHERE team_id = $1 AND ($2::text[] IS NULL OR state = ANY ($2))
           AND ($3::uuid IS NULL OR id < $3) AND state = ANY ($5)
         ORDER BY id DESC LIMIT $4"
    ))
    .bind(team.0)
    .bind((!words.is_empty()).then_some(words))
    .bind(before.map(|id| id.0))
    .bind(i64::from(limit))
    .bind(OperationState::ALL.map(OperationState::as_str))
    .fetch_all(conn)
    .await?;
    readable(rows)
}

/// What a step did.
#[derive(Debug, Clone)]
pub struct Progress {
    /// How many it came by.
    pub seen: i64,
    /// To how many it did what the operation is for.
    pub done: i64,
    /// Why it left others alone: reason and how many.
    pub skipped: BTreeMap<String, i64>,
    /// Where the next step begins.
    pub cursor: Value,
}

/// Adds what a step did, in the transaction of the step itself; `locked` is the row as [`lock`]
/// answered it in that transaction.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn advance(
    conn: &mut PgConnection,
    locked: &Operation,
    progress: &Progress,
) -> Result<(), Error> {
    let mut skipped = locked.skipped.clone();
    for (reason, many) in &progress.skipped {
        *skipped.entry(reason.clone()).or_default() += many;
    }
    sqlx::query(
        "UPDATE operation SET state = 'running', started_at = coalesce(started_at, clock_timestamp()),
                seen = seen + $2, done = done + $3, skipped = $4, cursor = $5
         WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(locked.id.0)
    .bind(progress.seen)
    .bind(progress.done)
    .bind(sqlx::types::Json(skipped))
    .bind(&progress.cursor)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that somebody wants it stopped; false if it has ended.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn ask_to_abort(
    conn: &mut PgConnection,
    id: OperationId,
    by: &str,
) -> Result<bool, Error> {
    let asked = sqlx::query(
        "UPDATE operation SET aborted_by = coalesce(aborted_by, $2), abort_requested = true
         WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(id.0)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(asked.rows_affected() > 0)
}

/// Ends those of these operations that have not ended.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn end_all(
    conn: &mut PgConnection,
    ids: &[OperationId],
    state: OperationState,
    fault: Option<&str>,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE operation SET state = $2, fault = $3, ended_at = clock_timestamp()
         WHERE id = ANY ($1) AND ended_at IS NULL",
    )
    .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(state.as_str())
    .bind(fault)
    .execute(conn)
    .await?;
    Ok(())
}
