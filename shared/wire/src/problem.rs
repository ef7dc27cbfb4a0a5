//! A failure as it is answered: RFC 9457, with a stable code and the next step.
//!
//! Invariant: nothing of our inside (SQL, path, backtrace) is part of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ProblemCode, private_key};

/// Faults in one answer at most: a body of a megabyte can have a hundred thousand.
const ERRORS_MOST: usize = 100;

/// `application/problem+json` (RFC 9457) with our extension members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Problem {
    /// Page that explains it: `/problems/<code>`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Short and unvarying.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// Stable code, for scripts.
    pub code: String,
    /// Find it in the log by this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When to try again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// What to do, best a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// All faults of the body or query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One fault of a body (JSON pointer, RFC 6901) or of a query (`?name`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// Where.
    pub pointer: String,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub detail: String,
}

impl FieldError {
    /// A fault at a place.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }
}

impl Problem {
    /// The media type of its body.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem of a known kind.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::finer(code, code.as_str(), detail)
    }

    /// A problem of a known kind with a finer code (`weak_key` under `invalid_request`).
    #[must_use]
    pub fn finer(kind: ProblemCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            type_: format!("/problems/{code}"),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            code: code.to_owned(),
            retryable: kind.is_retryable(),
            ..Self::default()
        }
    }

    /// All faults of a request at once.
    #[must_use]
    pub fn of_fields(kind: ProblemCode, mut errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.pointer, only.detail),
            more if more.len() > ERRORS_MOST => {
                format!(
                    "{} faults, see the first {ERRORS_MOST} in errors",
                    more.len()
                )
            }
            more => format!("{} faults, see errors", more.len()),
        };
        let leaked = errors.iter().any(|error| error.code == private_key::CODE);
        errors.truncate(ERRORS_MOST);
        if leaked {
            return Self {
                errors,
                ..Self::private_key_received()
            };
        }
        Self {
            errors,
            ..Self::new(kind, detail)
        }
    }

    /// A private key came in.
    #[must_use]
    pub fn private_key_received() -> Self {
        let kind = ProblemCode::InvalidRequest;
        Self::finer(kind, private_key::CODE, private_key::DETAIL).with_hint(private_key::HINT)
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn with_retry_after_s(mut self, seconds: u64) -> Self {
        self.retryable = true;
        self.retry_after_s = Some(seconds);
        self
    }

    /// Adds the id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}
