//! Spans of time on their way to Postgres.
//!
//! Invariant: microseconds, saturating; months and days are never used, so that a day is 24 hours.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

/// The span as an SQL interval, at most what fits.
pub(crate) fn interval(span: Duration) -> PgInterval {
    let microseconds = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    PgInterval {
        months: 0,
        days: 0,
        microseconds,
    }
}
