//! What can go wrong when replicas agree.
//!
//! Invariant: losing a term is an ordinary answer, never an error.

use std::time::Duration;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The period does not fit the grid.
    #[error("schedule {schedule}: a period of {period:?} is not possible; use 1 s or more")]
    Period {
        /// The schedule's name.
        schedule: String,
        /// What was asked for.
        period: Duration,
    },
    /// The emission interval or the burst is zero.
    #[error("a rate limit needs an emission interval of at least 1 us and a burst of at least 1")]
    Limit,
    /// The database refused or could not be reached.
    #[error("the coordination call to the database failed: {0}")]
    Database(#[source] certmill_pg::Error),
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_retryable())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(certmill_pg::Error::from(error))
    }
}
