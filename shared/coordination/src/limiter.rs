//! The rate limits that all replicas share, as rows.
//!
//! Invariant: in any window w, over all replicas, at most burst + w / emission interval requests
//! of a key are granted, by the database's clock; no other clock enters.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;
use sqlx::postgres::types::PgInterval;

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

impl GcraLimit {
    /// So many a second. The interval is rounded up to whole microseconds, which is what the
    /// database counts in: rounded down, more would pass than was said.
    #[must_use]
    pub fn per_second(rate: u32, burst: u32) -> Self {
        let us = 1_000_000_u64.div_ceil(u64::from(rate.max(1)));
        Self {
            emission_interval: Duration::from_micros(us),
            burst: burst.max(1),
        }
    }

    /// How long the whole burst takes to come back.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.emission_interval.saturating_mul(self.burst)
    }

    /// How many requests fit into what is spare of the window.
    pub(crate) fn fit(&self, spare: Duration) -> u32 {
        let every = self.emission_interval.as_nanos().max(1);
        u32::try_from(spare.as_nanos() / every).unwrap_or(u32::MAX)
    }

    fn is_sound(&self) -> bool {
        self.burst > 0 && self.emission_interval >= Duration::from_micros(1)
    }
}

/// So many requests of a key, at once.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Whose.
    pub key: &'a str,
    /// Under which limit.
    pub limit: GcraLimit,
    /// How many.
    pub n: u32,
}

/// What the database said to a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether all of them may go on; else none may.
    pub granted: bool,
    /// How many more there are; 0 if that is not known.
    pub left: u32,
    /// When one may go on, if no other comes first. None where the wish was granted, where another
    /// wish of the same call was denied, or where a request of somebody else came in between.
    pub retry_after: Option<Duration>,
}

/// Asks for all wishes in one statement. If one is denied none is granted, unless a request of
/// somebody else comes in between. Keys must be distinct.
///
/// # Errors
/// [`Error::Limit`] for a limit that lets nothing through and for more than a burst, else the
/// database's.
pub async fn take(pool: &Pool, wishes: &[Wish<'_>]) -> Result<Vec<Taken>> {
    let is_sound =
        |wish: &Wish<'_>| wish.limit.is_sound() && (1..=wish.limit.burst).contains(&wish.n);
    if !wishes.iter().all(is_sound) {
        return Err(Error::Limit);
    }
    match wishes {
        [] => Ok(Vec::new()),
        [wish] => Ok(vec![take_one(pool, wish).await?]),
        _ => take_each(pool, wishes).await,
    }
}

async fn take_one(pool: &Pool, wish: &Wish<'_>) -> Result<Taken> {
    let (span, tolerance) = spans(wish);
    let (granted, spare_us): (bool, Option<i64>) = sqlx::query_as(include_str!("sql/take.sql"))
        .bind(wish.key)
        .bind(span)
        .bind(tolerance)
        .fetch_one(pool)
        .await?;
    Ok(taken(wish, granted, spare_us))
}

async fn take_each(pool: &Pool, wishes: &[Wish<'_>]) -> Result<Vec<Taken>> {
    let keys: Vec<&str> = wishes.iter().map(|wish| wish.key).collect();
    let (spans, tolerances): (Vec<PgInterval>, Vec<PgInterval>) = wishes.iter().map(spans).unzip();
    let rows: Vec<(String, bool, Option<i64>)> = sqlx::query_as(include_str!("sql/take_each.sql"))
        .bind(keys)
        .bind(spans)
        .bind(tolerances)
        .fetch_all(pool)
        .await?;
    let answer = |wish: &Wish<'_>| {
        let row = rows.iter().find(|(key, ..)| key == wish.key);
        row.map_or(taken(wish, false, None), |&(_, granted, spare_us)| {
            taken(wish, granted, spare_us)
        })
    };
    Ok(wishes.iter().map(answer).collect())
}

fn spans(wish: &Wish<'_>) -> (PgInterval, PgInterval) {
    let span = wish.limit.emission_interval.saturating_mul(wish.n);
    (interval(span), interval(wish.limit.window()))
}

fn taken(wish: &Wish<'_>, granted: bool, spare_us: Option<i64>) -> Taken {
    // Less than nothing is spare where the burst of a key was lowered.
    let spare = spare_us.map(|us| Duration::from_micros(us.max(0).unsigned_abs()));
    let beyond = spare_us.map(|us| Duration::from_micros(us.min(0).unsigned_abs()));
    let wait =
        |spare| wish.limit.emission_interval.saturating_sub(spare) + beyond.unwrap_or_default();
    Taken {
        granted,
        left: wish.limit.fit(spare.unwrap_or_default()),
        retry_after: spare.filter(|_| !granted).map(wait),
    }
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
