//! Which part of the system this process plays.

/// A role of the one binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// All roles in one process, with an embedded database if none is named.
    Up,
    /// The HTTPS surface.
    Api,
    /// Runs jobs.
    Worker,
    /// Turns schedules into jobs.
    Scheduler,
    /// Migrations and seed, then exit.
    Migrate,
}

impl Role {
    /// The word used on the command line and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
            Self::Migrate => "migrate",
        }
    }

    /// How many database connections the role holds at most, unless settings say otherwise.
    #[must_use]
    pub const fn default_max_connections(self) -> u32 {
        match self {
            Self::Up => 60,
            Self::Api => 50,
            Self::Worker => 20,
            Self::Scheduler => 5,
            Self::Migrate => 2,
        }
    }
}
