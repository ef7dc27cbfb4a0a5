//! What can go wrong in the queue.
//!
//! Invariant: a lost lease is told apart from every other failure, since it means "write nothing".

/// A failed call to the queue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else owns the job by now: drop the work, write nothing.
    #[error("the lease on this job is lost: it was rescued, cancelled or finished elsewhere")]
    LeaseLost,
    /// The queue has no row in `lane`; nobody would ever claim from it.
    #[error("queue {queue:?} is not declared as a lane; declare it before enqueuing into it")]
    UnknownLane {
        /// The first such name.
        queue: String,
    },
    /// A job that was to be enqueued cannot be stored; none of its batch was.
    #[error("a job of the kind {kind:?} cannot be enqueued: {why}")]
    Unfit {
        /// Its kind, cut short.
        kind: String,
        /// What is wrong with it.
        why: crate::Unfit,
    },
    /// The schema was migrated beyond what this build may work on.
    #[error(
        "the database was migrated by a newer certmill that does not take this build, which knows up to \
         {known}: nothing is worked on; replace this process by the newer build"
    )]
    NotAccepted {
        /// The newest migration that this build knows.
        known: i64,
    },
    /// An api that keeps its limits in memory would not be the only one.
    #[error(
        "the api {} (process {}) lives and has limits.backend = {}, here it is {own}: limits in memory hold for \
         one process alone; stop that api, or set limits.backend = \"postgres\" for both",
        other.label, other.id, other.limits
    )]
    Limits {
        /// Where this process would keep its limits.
        own: String,
        /// The one that lives.
        other: Box<crate::OtherApi>,
    },
    /// Live jobs with the same unique keys kept ending while this call tried to see them.
    #[error("jobs with the same unique key kept changing; repeat the call")]
    Busy,
    /// The thread for the beats could not be started.
    #[error("the beat thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The database refused or could not be reached.
    #[error("the queue's database call failed: {0}")]
    Database(#[source] certmill_pg::Error),
}

impl Error {
    /// Whether the lease is lost.
    #[must_use]
    pub fn is_lease_lost(&self) -> bool {
        matches!(self, Self::LeaseLost)
    }

    /// Whether Postgres broke a deadlock by rolling this transaction back (SQLSTATE 40P01).
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        matches!(self, Self::Database(error) if error.sqlstate() == Some("40P01"))
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Database(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(certmill_pg::Error::from(error))
    }
}
