//! Spans of time on their way to Postgres.
//!
//! Invariant: microseconds, saturating; months and days are never used, so that a day is 24 hours.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

/// The span in whole microseconds, at most what a bigint holds.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The span as an SQL interval.
pub(crate) fn interval(span: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: micros(span),
    }
}
