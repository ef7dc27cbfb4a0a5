//! The one place that reads the wall clock, for stamps only.
//!
//! Invariant: no decision (lease, limit, slot, renewal) rests on this value; those are taken by
//! the database clock, on which all replicas agree.
#![allow(
    clippy::disallowed_methods,
    reason = "the single sanctioned wall-clock read"
)]

use time::OffsetDateTime;

/// The wall clock of this host in UTC: for log stamps, file names and the display of ages.
#[must_use]
pub fn now_utc() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
