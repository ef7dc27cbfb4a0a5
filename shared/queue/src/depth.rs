//! How much there is to do, lane by lane: what a scaler and a person look at.
//!
//! Invariant: one statement whose cost does not grow with the backlog, since scalers ask often.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_domain::waiting;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::{LaneRow, Result};

/// Counting stops here.
const MOST_COUNTED: i64 = 10_000;

/// What a lane has to do.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct LaneDepth {
    /// The lane.
    #[sqlx(flatten)]
    pub lane: LaneRow,
    /// Jobs that are due and wait, counted up to 10,000.
    pub due: i64,
    /// There are more than were counted.
    pub due_more: bool,
    /// How long the oldest of them is due, in seconds.
    pub oldest_due_age_s: Option<f64>,
    /// Jobs that run, counted up to 10,000.
    pub running: i64,
}

/// A kind that nobody claims.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PausedKind {
    /// The kind.
    pub kind: String,
    /// Since when.
    pub paused_at: OffsetDateTime,
    /// Why, where somebody said so.
    pub reason: Option<String>,
}

/// The depth of these lanes, by name; none = all.
///
/// # Errors
/// The database's.
pub async fn depths(conn: &mut PgConnection, lanes: Option<&[String]>) -> Result<Vec<LaneDepth>> {
    Ok(sqlx::query_as(include_str!("sql/depth.sql"))
        .bind(MOST_COUNTED)
        .bind(lanes)
        .fetch_all(conn)
        .await?)
}

/// The paused kinds, by name.
///
/// # Errors
/// The database's.
pub async fn paused_kinds(conn: &mut PgConnection) -> Result<Vec<PausedKind>> {
    let kinds = "SELECT kind, paused_at, reason FROM paused_kind ORDER BY kind";
    Ok(sqlx::query_as(kinds).fetch_all(conn).await?)
}

/// Whether a process of some build knows the kind, or it is paused.
///
/// # Errors
/// The database's.
pub async fn is_known_kind(conn: &mut PgConnection, kind: &str) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM process WHERE $1 = ANY (kinds)) \
             OR EXISTS (SELECT 1 FROM paused_kind WHERE kind = $1)",
    )
    .bind(kind)
    .fetch_one(conn)
    .await?)
}

/// What holds back jobs of this lane and kind that are due, as a code of [`waiting`], and the reason
/// that somebody gave.
///
/// # Errors
/// The database's.
pub async fn held_back(
    conn: &mut PgConnection,
    queue: &str,
    kind: &str,
) -> Result<Option<(&'static str, Option<String>)>> {
    type Row = (bool, bool, bool, bool, bool, bool, Option<String>);
    let (paused, kind_paused, closed, full, worker, knows, reason): Row = sqlx::query_as(
        "SELECT l.paused_at IS NOT NULL, k.kind IS NOT NULL, \
                coalesce(greatest(l.closed_until, l.reserved_until) > clock_timestamp(), false), \
                coalesce(l.max_running <= (SELECT count(*) FROM job j \
                                           WHERE j.queue = $1 AND j.state = 1), false), \
                coalesce(w.alive, false), coalesce(w.knows, false), \
                coalesce(l.pause_reason, k.reason) \
         FROM (SELECT 1) one LEFT JOIN lane l ON l.name = $1 LEFT JOIN paused_kind k ON k.kind = $2 \
         LEFT JOIN (SELECT true AS alive, bool_or($2 = ANY (kinds)) AS knows FROM process \
                    WHERE dead_at IS NULL AND expires_at > clock_timestamp() \
                      AND capacity IS NOT NULL HAVING count(*) > 0) w ON true",
    )
    .bind(queue)
    .bind(kind)
    .fetch_one(conn)
    .await?;
    let code = match (paused, kind_paused, worker, knows, closed, full) {
        (true, ..) => waiting::LANE_PAUSED,
        (_, true, ..) => waiting::KIND_PAUSED,
        (_, _, false, ..) => waiting::NO_WORKER,
        (_, _, _, false, ..) => waiting::UNKNOWN_KIND,
        (_, _, _, _, true, _) => waiting::ISSUER_BUDGET,
        (.., true) => waiting::LANE_FULL,
        _ => return Ok(None),
    };
    Ok(Some((code, reason)))
}
