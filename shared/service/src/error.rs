//! Why an intention was not carried out, in the words of the service.

use serde::{Deserialize, Serialize};

/// One fault of one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFault {
    /// JSON pointer of the field (RFC 6901).
    pub pointer: String,
    /// Stable code.
    pub code: String,
    /// What is wrong and what to do, without the value if it might be a secret.
    pub detail: String,
}

impl FieldFault {
    /// A fault of the field at `pointer`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &str, detail: impl ToString) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// A refused or failed intention.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object, or the caller may not know of it.
    #[error("there is no {0} of that id or name here")]
    NotFound(&'static str),
    /// The request has faults; all of them are listed.
    #[error("the request has {} fault(s): {}", .0.len(), .0.iter().map(|f| f.detail.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldFault>),
    /// The state of the object does not allow it.
    #[error("{detail}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// What stands in the way.
        detail: String,
    },
    /// The idempotency key was used with another body.
    #[error("the Idempotency-Key was used before with another body")]
    IdempotencyMismatch,
    /// The first answer showed a secret, which is not stored and cannot be shown again.
    #[error("the first answer showed the secret of {key}, and it is shown only once")]
    SecretShownOnce {
        /// The id of the key that the first request made.
        key: String,
    },
    /// The caller's role does not allow it.
    #[error("the role {0} may not do this")]
    Forbidden(&'static str),
    /// The set-up of this server does not allow it.
    #[error("{0}")]
    Misconfigured(String),
    /// The job was taken over; nothing was written.
    #[error("the lease of the job is lost")]
    LeaseLost,
    /// The database or this process broke off between the commit and its answer.
    #[error("whether it was carried out is not known: {0}")]
    Unknown(String),
    /// Key or seal trouble; no secret in the text.
    #[error("cryptography failed: {0}")]
    Crypto(String),
    /// The database refused, broke off or held what cannot be read.
    #[error(transparent)]
    Store(certmill_store::Error),
    /// The queue's statements failed.
    #[error(transparent)]
    Queue(certmill_queue::Error),
    /// Leader, schedules or limiter failed.
    #[error(transparent)]
    Coordination(#[from] certmill_coordination::Error),
}

impl Error {
    /// Whether Postgres broke a deadlock by rolling the transaction back: nothing was written.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        match self {
            Self::Store(error) => error.is_deadlock(),
            Self::Queue(error) => error.is_deadlock(),
            _ => false,
        }
    }
}

impl From<certmill_store::Error> for Error {
    fn from(error: certmill_store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<certmill_queue::Error> for Error {
    fn from(error: certmill_queue::Error) -> Self {
        if error.is_lease_lost() {
            Self::LeaseLost
        } else {
            Self::Queue(error)
        }
    }
}

/// Turns "no row" into "there is no such `what`", and leaves other failures alone.
pub(crate) fn or_not_found(what: &'static str) -> impl Fn(certmill_store::Error) -> Error {
    move |error| match error {
        certmill_store::Error::NotFound => Error::NotFound(what),
        other => Error::Store(other),
    }
}
