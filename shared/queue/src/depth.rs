//! How much there is to do, lane by lane: what a scaler and a person look at.
//!
//! Invariant: one statement whose cost does not grow with the backlog, since scalers ask often.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::Result;

/// Counting stops here.
const MOST_COUNTED: i64 = 10_000;

/// What a lane has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneDepth {
    /// The lane.
    pub name: String,
    /// Whether its jobs sign with a CA key.
    pub needs_key: bool,
    /// How many of its jobs run at once over all processes; none = no limit.
    pub max_running: Option<i32>,
    /// Since when nothing is claimed from it.
    pub paused_at: Option<OffsetDateTime>,
    /// Why, where somebody said so.
    pub pause_reason: Option<String>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    type Row = (
        String,
        bool,
        Option<i32>,
        Option<OffsetDateTime>,
        Option<String>,
        i64,
        Option<f64>,
        i64,
    );
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/depth.sql"))
        .bind(MOST_COUNTED + 1)
        .bind(lanes)
        .fetch_all(conn)
        .await?;
    let lane = |row: Row| {
        let (name, needs_key, max_running, paused_at, pause_reason, due, age, running) = row;
        LaneDepth {
            name,
            needs_key,
            max_running,
            paused_at,
            pause_reason,
            due: due.min(MOST_COUNTED),
            due_more: due > MOST_COUNTED,
            oldest_due_age_s: age,
            running: running.min(MOST_COUNTED),
        }
    };
    Ok(rows.into_iter().map(lane).collect())
}

/// The paused kinds, by name.
///
/// # Errors
/// The database's.
pub async fn paused_kinds(conn: &mut PgConnection) -> Result<Vec<PausedKind>> {
    let rows: Vec<(String, OffsetDateTime, Option<String>)> =
        sqlx::query_as("SELECT kind, paused_at, reason FROM paused_kind ORDER BY kind")
            .fetch_all(conn)
            .await?;
    let kind = |(kind, paused_at, reason)| PausedKind {
        kind,
        paused_at,
        reason,
    };
    Ok(rows.into_iter().map(kind).collect())
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

/// Why nobody takes a job that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// Its lane is paused.
    LanePaused,
    /// Its kind is paused.
    KindPaused,
    /// As many jobs of its lane run as may.
    LaneFull,
    /// No process that runs jobs is alive.
    NoWorker,
    /// Processes are alive, and the build of none knows its kind.
    UnknownKind,
}

/// What holds back jobs of this lane and kind, and the reason that somebody gave.
///
/// # Errors
/// The database's.
pub async fn held_back(
    conn: &mut PgConnection,
    queue: &str,
    kind: &str,
) -> Result<Option<(HeldBack, Option<String>)>> {
    type Row = (bool, bool, bool, bool, bool, Option<String>);
    let (paused, kind_paused, full, worker, knows, reason): Row = sqlx::query_as(
        "SELECT l.paused_at IS NOT NULL, k.kind IS NOT NULL, \
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
    let held = match (paused, kind_paused, worker, knows, full) {
        (true, ..) => HeldBack::LanePaused,
        (_, true, ..) => HeldBack::KindPaused,
        (_, _, false, ..) => HeldBack::NoWorker,
        (_, _, _, false, _) => HeldBack::UnknownKind,
        (.., true) => HeldBack::LaneFull,
        _ => return Ok(None),
    };
    Ok(Some((held, reason)))
}
