//! Lanes: queues that have a row and may be claimed from.
//!
//! Invariant: every job stands in a declared lane, so that none waits where nobody looks.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::Result;
use crate::span::interval;

/// A queue that workers claim from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The queue's name, such as `renewal` or `issue:iss_..`.
    pub name: String,
    /// Whether its jobs sign with a CA key: a worker without `ca.kek` leaves it alone.
    pub needs_key: bool,
}

/// Creates the lane or brings its row up to date; repeating it changes nothing.
///
/// # Errors
/// The database's.
pub async fn declare(conn: &mut PgConnection, lane: &Lane) -> Result<()> {
    sqlx::query(
        "INSERT INTO lane (name, needs_key) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET needs_key = excluded.needs_key \
         WHERE lane.needs_key <> excluded.needs_key",
    )
    .bind(&lane.name)
    .bind(lane.needs_key)
    .execute(conn)
    .await?;
    Ok(())
}

/// A lane as it stands.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LaneRow {
    /// The queue's name.
    pub name: String,
    /// Whether its jobs sign with a CA key.
    pub needs_key: bool,
    /// How many of its jobs run at once over all processes; none = as many as there are slots.
    pub max_running: Option<i32>,
    /// Since when nothing is claimed from it.
    pub paused_at: Option<OffsetDateTime>,
    /// Why, where somebody said so.
    pub pause_reason: Option<String>,
    /// Until then nothing is claimed from it: the budget of its issuer is used up.
    pub closed_until: Option<OffsetDateTime>,
    /// Until then only jobs of priority 0 are: what is left of the budget is a reserve.
    pub reserved_until: Option<OffsetDateTime>,
}

/// All lanes by name, and the kinds that are paused.
///
/// # Errors
/// The database's.
pub async fn read_all(pool: &Pool) -> Result<(Vec<LaneRow>, Vec<String>)> {
    #[derive(FromRow)]
    struct Row {
        #[sqlx(flatten)]
        lane: LaneRow,
        paused_kinds: Vec<String>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT name, needs_key, max_running, paused_at, pause_reason, closed_until, reserved_until, \
                ARRAY(SELECT kind FROM paused_kind ORDER BY kind) AS paused_kinds \
         FROM lane ORDER BY name",
    )
    .fetch_all(pool)
    .await?;
    let paused_kinds = rows.first().map(|row| row.paused_kinds.clone());
    let lanes = rows.into_iter().map(|row| row.lane).collect();
    Ok((lanes, paused_kinds.unwrap_or_default()))
}

/// Stops claims from the lane, or, without a pause, lets them go on. What runs is left to end.
/// Answers whether there is such a lane.
///
/// # Errors
/// The database's.
pub async fn set_pause(
    conn: &mut PgConnection,
    name: &str,
    pause: Option<Pause<'_>>,
) -> Result<bool> {
    let changed = sqlx::query(
        "UPDATE lane SET paused_at = CASE WHEN $2 THEN coalesce(paused_at, clock_timestamp()) END, \
                pause_reason = $3 WHERE name = $1",
    )
    .bind(name)
    .bind(pause.is_some())
    .bind(pause.and_then(|pause| pause.reason))
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// A pause.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pause<'a> {
    /// Why, for those who meet it.
    pub reason: Option<&'a str>,
}

/// Sets how many jobs of the lane run at once over all processes; none = no limit. Jobs beyond a
/// lower limit are left to end. Answers whether there is such a lane.
///
/// # Errors
/// The database's: the limit must be 1 or more.
pub async fn set_limit(conn: &mut PgConnection, name: &str, limit: Option<i32>) -> Result<bool> {
    let changed = sqlx::query("UPDATE lane SET max_running = $2 WHERE name = $1")
        .bind(name)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(changed.rows_affected() > 0)
}

/// Whom a lane is closed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Everybody.
    All,
    /// Jobs of priority 1 and above.
    Calm,
}

/// Closes the lane for this long from now, by the database's clock, or longer where it is so
/// already. It is heeded in lanes with a limit, and it is a hint: jobs that were claimed before run on.
///
/// # Errors
/// The database's.
pub async fn close(conn: &mut PgConnection, name: &str, wait: Duration, to: Closing) -> Result<()> {
    let statement = match to {
        Closing::All => {
            "UPDATE lane SET closed_until = greatest(closed_until, clock_timestamp() + $2) \
             WHERE name = $1"
        }
        Closing::Calm => {
            "UPDATE lane SET reserved_until = greatest(reserved_until, clock_timestamp() + $2) \
             WHERE name = $1"
        }
    };
    sqlx::query(statement)
        .bind(name)
        .bind(interval(wait))
        .execute(conn)
        .await?;
    Ok(())
}

/// Stops claims of the kind in every lane. A large backlog of a paused kind slows the claims of its
/// lanes, which walk past it: pause the lane instead.
///
/// # Errors
/// The database's.
pub async fn pause_kind(conn: &mut PgConnection, kind: &str, pause: Pause<'_>) -> Result<()> {
    sqlx::query(
        "INSERT INTO paused_kind (kind, reason) VALUES ($1, $2) \
         ON CONFLICT (kind) DO UPDATE SET reason = excluded.reason",
    )
    .bind(kind)
    .bind(pause.reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets the kind be claimed again; answers whether it was paused.
///
/// # Errors
/// The database's.
pub async fn resume_kind(conn: &mut PgConnection, kind: &str) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM paused_kind WHERE kind = $1")
        .bind(kind)
        .execute(conn)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Whether `name` is meant by one of the patterns: names, or globs where `*` stands for anything.
/// No pattern means every lane.
#[must_use]
pub fn matches(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, name))
}

fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len())
        .filter(|&at| rest.is_char_boundary(at))
        .any(|at| glob(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_like_people_expect() {
        let any = |patterns: &[&str], name| {
            matches(
                &patterns.iter().map(ToString::to_string).collect::<Vec<_>>(),
                name,
            )
        };
        assert!(any(&[], "issue:a"));
        assert!(any(&["issue:*"], "issue:a") && any(&["issue:*"], "issue:"));
        assert!(any(&["a", "b"], "b") && any(&["*"], "anything"));
        assert!(any(&["*:x*z"], "a:xyz"));
        assert!(!any(&["issue:*"], "renew") && !any(&["issue"], "issue:a") && !any(&["*z"], "zy"));
    }
}
