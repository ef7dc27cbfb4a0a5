//! One error for everything that Postgres can answer, sorted by what the caller can do about it.
//!
//! Invariant: no variant holds a connection string, and none shows a password.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::login::{self, Refusal};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong between us and Postgres.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection string cannot be used; the text never repeats it.
    #[error("database_url cannot be used: {0}")]
    Url(String),
    /// The connection would not be protected as the settings ask.
    #[error("database_url refused: {0}")]
    Tls(String),
    /// Nobody answered, the connection broke, or the server is starting, stopping or full.
    /// After a broken commit the outcome is unknown: read again before repeating.
    #[error("the database cannot be reached now: {0}")]
    Unavailable(String),
    /// A named constraint refused the write; the name is the one in the migrations.
    #[error("constraint {0} refuses this")]
    Constraint(String),
    /// The server refused the statement for another reason.
    #[error("the database refused the statement (SQLSTATE {sqlstate}): {message}")]
    Refused {
        /// Five-character code, appendix A of the Postgres manual.
        sqlstate: String,
        /// The server's primary message.
        message: String,
    },
    /// The server would not let us in: wrong password, no such database, no right to log in.
    #[error("{0}")]
    Login(Refusal),
    /// A query that had to return a row returned none.
    #[error("no row")]
    NoRow,
    /// A row could not be read as the type that the code expects.
    #[error("the database answered something unexpected: {0}")]
    Unexpected(String),
    /// The server is too old, read-only, or otherwise not one that we can work with.
    #[error("this Postgres server cannot be used: {0}")]
    Server(String),
    /// What stands between us and Postgres cannot carry what we send.
    #[error("{0}")]
    Pooler(&'static str),
    /// The schema and this build do not fit together.
    #[error("{0}")]
    Schema(String),
    /// The embedded server cannot be started or kept running.
    #[error("embedded Postgres: {0}")]
    Embedded(String),
    /// A file or folder of the embedded server cannot be used.
    #[error("embedded Postgres: cannot {doing} {path}: {source}")]
    File {
        /// What was tried, as a verb: "create", "read".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Refused { sqlstate, .. } => retryable_sqlstate(sqlstate),
            _ => false,
        }
    }

    /// Whether the database cannot be used now, be it that somebody must mend the login first.
    /// A running role answers this like an outage.
    pub fn is_unavailable(&self) -> bool {
        self.is_retryable() || matches!(self, Self::Login(_))
    }

    /// Whether a commit that was answered by this may have been carried out all the same. Only the
    /// server's own refusal of the statement proves that it was not: when a server process dies
    /// after the commit, a pooler in between answers with an error of its own (PgBouncer: 08P01).
    #[must_use]
    pub fn leaves_commit_open(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::Constraint(_))
    }

    /// The violated constraint's name, if that is what happened.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint(name) => Some(name),
            _ => None,
        }
    }

    /// The server's SQLSTATE, if it refused the statement.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Refused { sqlstate, .. } => Some(sqlstate),
            Self::Login(refusal) => Some(&refusal.sqlstate),
            _ => None,
        }
    }
}

/// Serialization failure, deadlock, lock time-out, statement time-out, transaction time-out:
/// the statement was rolled back and may be tried again.
fn retryable_sqlstate(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03" | "57014" | "25P04")
}

/// Connection exceptions, server starting or stopping, out of resources (disk, memory,
/// connections), killed idle transactions, and writes on a server that became a standby.
fn unavailable_sqlstate(code: &str) -> bool {
    code.starts_with("08")
        || code.starts_with("53")
        || matches!(
            code,
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006"
        )
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default().into_owned();
                if let Some(refusal) = Refusal::of(&code, db.message()) {
                    if code == "28P01" {
                        login::notice_refusal();
                    }
                    return Self::Login(refusal);
                }
                if unavailable_sqlstate(&code) {
                    return Self::Unavailable(
                        login::busy(&code, db.message())
                            .unwrap_or_else(|| format!("{} (SQLSTATE {code})", db.message())),
                    );
                }
                match db.constraint() {
                    Some(name) if code.starts_with("23") => Self::Constraint(name.to_owned()),
                    _ => Self::Refused {
                        sqlstate: code,
                        message: db.message().to_owned(),
                    },
                }
            }
            sqlx::Error::RowNotFound => Self::NoRow,
            sqlx::Error::Io(e) => match login::closed() {
                Some(refusal) if e.kind() == ErrorKind::NotFound => Self::Login(refusal),
                _ => Self::Unavailable(e.to_string()),
            },
            sqlx::Error::Tls(e) => Self::Tls(format!("TLS to the server failed: {e}")),
            sqlx::Error::PoolTimedOut => Self::Unavailable(login::nothing_free()),
            sqlx::Error::PoolClosed => Self::Unavailable("the pool is closed".to_owned()),
            sqlx::Error::WorkerCrashed => Self::Unavailable("the connection broke".to_owned()),
            sqlx::Error::BeginFailed => {
                Self::Unavailable("a transaction could not be started".to_owned())
            }
            // The text of a configuration error can repeat parts of the connection string.
            sqlx::Error::Configuration(_) => {
                Self::Url("a part of it cannot be read; percent-encode the password".to_owned())
            }
            other => Self::Unexpected(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_the_caller_can_do() {
        for code in ["40001", "40P01", "55P03", "57014", "25P04"] {
            assert!(retryable_sqlstate(code), "{code}");
        }
        for code in [
            "08006", "53300", "53100", "57P01", "57P03", "25P03", "25006",
        ] {
            assert!(unavailable_sqlstate(code), "{code}");
        }
        for code in ["23505", "42501", "42P01", "22001"] {
            assert!(
                !retryable_sqlstate(code) && !unavailable_sqlstate(code),
                "{code}"
            );
        }
    }

    #[test]
    fn only_the_servers_own_refusal_settles_a_commit() {
        let refused = |sqlstate: &str| Error::Refused {
            sqlstate: sqlstate.to_owned(),
            message: String::new(),
        };
        assert!(!refused("40001").leaves_commit_open());
        assert!(!Error::Constraint("a".to_owned()).leaves_commit_open());
        assert!(Error::Unavailable("08P01".to_owned()).leaves_commit_open());
        assert!(Error::from(sqlx::Error::WorkerCrashed).leaves_commit_open());
    }

    #[test]
    fn configuration_errors_do_not_repeat_their_source() {
        let error = Error::from(sqlx::Error::Configuration("s3cret".into()));
        assert!(!error.to_string().contains("s3cret"));
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
