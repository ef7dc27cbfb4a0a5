//! Lanes: queues that have a row and may be claimed from.
//!
//! Invariant: every job stands in a declared lane, so that none waits where nobody looks.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_pg::Pool;
use sqlx::PgConnection;

use crate::Result;

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

/// All lanes by name.
///
/// # Errors
/// The database's.
pub async fn lanes(pool: &Pool) -> Result<Vec<Lane>> {
    let rows: Vec<(String, bool)> =
        sqlx::query_as("SELECT name, needs_key FROM lane ORDER BY name")
            .fetch_all(pool)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(name, needs_key)| Lane { name, needs_key })
        .collect())
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
