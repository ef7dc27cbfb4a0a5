//! The API's rate limit, one for all replicas.
//!
//! Invariant: in any window w, over all replicas, at most burst + w / emission interval requests
//! of a key pass, by the database's clock.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;

use crate::span::interval;
use crate::{Error, Result};

/// A generic cell rate: a steady rate with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcraLimit {
    /// One request each such interval, in the long run.
    pub emission_interval: Duration,
    /// Requests that may come at once after a pause.
    pub burst: u32,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Go on.
    Allowed,
    /// Not now.
    Denied {
        /// A request may pass after this long, if no other comes first.
        retry_after: Duration,
    },
}

/// Asks for one request of `key`.
///
/// # Errors
/// [`Error::Limit`] for a limit that lets nothing through, else the database's.
pub async fn take(pool: &Pool, key: &str, limit: GcraLimit) -> Result<Admission> {
    take_many(pool, key, limit, 1).await
}

/// Asks for `n` requests of `key` at once, all or none.
///
/// # Errors
/// As [`take`]; more than the burst are [`Error::Limit`], too.
pub async fn take_many(pool: &Pool, key: &str, limit: GcraLimit, n: u32) -> Result<Admission> {
    if n == 0
        || n > limit.burst
        || limit.burst == 0
        || limit.emission_interval < Duration::from_micros(1)
    {
        return Err(Error::Limit);
    }
    let tolerance = limit.emission_interval.saturating_mul(limit.burst);
    let (allowed, retry_after_us): (bool, Option<i64>) =
        sqlx::query_as(include_str!("sql/take.sql"))
            .bind(key)
            .bind(interval(limit.emission_interval.saturating_mul(n)))
            .bind(interval(tolerance))
            .fetch_one(pool)
            .await?;
    if allowed {
        return Ok(Admission::Allowed);
    }
    // No wait is known where another request took the last place between look and lock.
    let retry_after = retry_after_us.map_or(limit.emission_interval, |us| {
        Duration::from_micros(u64::try_from(us).unwrap_or(0))
    });
    Ok(Admission::Denied { retry_after })
}

/// Removes keys that are back at their full burst for an hour, 10 000 at most.
///
/// # Errors
/// The database's.
pub async fn prune_limits(pool: &Pool) -> Result<u64> {
    let gone = sqlx::query(
        "DELETE FROM api_limit WHERE key = ANY (ARRAY( \
             SELECT key FROM api_limit WHERE tat < clock_timestamp() - interval '1 hour' \
             LIMIT 10000 FOR UPDATE SKIP LOCKED))",
    )
    .execute(pool)
    .await?;
    Ok(gone.rows_affected())
}
