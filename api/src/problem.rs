//! Every failure as it is answered: RFC 9457, and the only `IntoResponse` of failures.
//!
//! Invariant: nothing of our inside (SQL, path, backtrace) reaches the answer; the cause of a
//! fault of ours goes to the log, once, beside the request's id.

use axum::response::{IntoResponse, Response};
use certmill_service::{Error as Refusal, FieldFault};
use certmill_wire::{FieldError, Problem, ProblemCode};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::rates::Rates;

/// SQLSTATE of a lock that did not come free in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// SQLSTATEs of transactions that stood in each other's way: lock, deadlock, serialization failure.
const CROSSED: [&str; 3] = [LOCK_NOT_AVAILABLE, "40P01", "40001"];
/// When a client should come back to a database that does not answer, in seconds.
const DATABASE_RETRY_S: u64 = 2;

/// A failed request.
#[derive(Debug)]
pub struct Error {
    problem: Box<Problem>,
    cause: Option<String>,
    rates: Option<Box<Rates>>,
}

/// The problem of an answer on its way out; the outermost layer writes it with the request's id.
#[derive(Clone)]
pub(crate) struct Unwritten(Error);

impl Clone for Error {
    fn clone(&self) -> Self {
        Self {
            problem: self.problem.clone(),
            cause: self.cause.clone(),
            rates: self.rates.clone(),
        }
    }
}

impl Error {
    /// A failure of a known kind.
    pub(crate) fn new(kind: ProblemCode, detail: impl Into<String>) -> Self {
        Problem::new(kind, detail).into()
    }

    /// A failure of a known kind with a finer code.
    pub(crate) fn finer(kind: ProblemCode, code: &str, detail: impl Into<String>) -> Self {
        Problem::finer(kind, code, detail).into()
    }

    /// A fault of ours; `cause` is for the log only.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        let detail = "certmill failed; its log has the cause under this request_id";
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(ProblemCode::Internal, detail)
        }
    }

    /// The database does not answer; `cause` is for the log only.
    pub(crate) fn database(cause: impl ToString) -> Self {
        let detail =
            "the database does not answer now; whether a write was carried out is not known";
        let problem = Problem::new(ProblemCode::DatabaseUnavailable, detail)
            .with_retry_after_s(DATABASE_RETRY_S)
            .with_hint("repeat the request with the same Idempotency-Key");
        Self {
            problem: Box::new(problem),
            cause: Some(cause.to_string()),
            rates: None,
        }
    }

    /// Adds what to do.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    /// Adds when to try again.
    pub(crate) fn with_retry_after_s(mut self, seconds: u64) -> Self {
        self.problem = Box::new(self.problem.with_retry_after_s(seconds));
        self
    }

    /// Adds the limits that were met.
    pub(crate) fn with_rates(mut self, rates: Rates) -> Self {
        self.rates = Some(Box::new(rates));
        self
    }

    /// The problem, for an item of a bulk answer.
    pub(crate) fn into_problem(self) -> Problem {
        *self.problem
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            cause: None,
            rates: None,
        }
    }
}

impl From<Box<Problem>> for Error {
    fn from(problem: Box<Problem>) -> Self {
        Self {
            problem,
            cause: None,
            rates: None,
        }
    }
}

/// The faults of a request's fields in the words of the wire.
pub(crate) fn of_fields(faults: Vec<FieldFault>) -> Problem {
    let errors = faults
        .into_iter()
        .map(|f| FieldError::new(f.pointer, f.code, f.detail))
        .collect();
    Problem::of_fields(ProblemCode::InvalidRequest, errors)
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(what) => {
                Self::new(ProblemCode::NotFound, format!("there is no such {what}"))
            }
            Refusal::Invalid(faults) => of_fields(faults).into(),
            Refusal::Conflict { code, detail } if code.ends_with("_exists") => {
                Self::finer(ProblemCode::AlreadyExists, code, detail)
            }
            Refusal::Conflict { code, detail } => Self::finer(ProblemCode::Conflict, code, detail),
            Refusal::IdempotencyMismatch => Self::new(
                ProblemCode::IdempotencyMismatch,
                "this Idempotency-Key was used before with another body",
            )
            .with_hint("use a new key for a new request"),
            Refusal::SecretShownOnce { key } => Self::new(
                ProblemCode::SecretShownOnce,
                format!("this request made {key} before; its secret was shown in the first answer"),
            )
            .with_hint(format!(
                "if that answer was lost: certmill keys revoke {key}, and make another"
            )),
            Refusal::Forbidden(role) => forbidden(role),
            Refusal::Misconfigured(why) => Self::finer(ProblemCode::Conflict, "server_setup", why),
            Refusal::Unknown(why) => Self::database(why),
            Refusal::Store(error) => of_store(error),
            Refusal::Queue(error) if error.is_unavailable() => Self::database(error),
            Refusal::Coordination(error) if error.is_unavailable() => Self::database(error),
            fault @ (Refusal::LeaseLost
            | Refusal::Crypto(_)
            | Refusal::Queue(_)
            | Refusal::Coordination(_)) => Self::internal(fault),
        }
    }
}

/// The role does not suffice.
pub(crate) fn forbidden(role: &str) -> Error {
    let detail = format!("the key's role {role} may not do this");
    Error::new(ProblemCode::Forbidden, detail).with_hint("use a key with a higher role")
}

fn of_store(error: certmill_store::Error) -> Error {
    match error {
        certmill_store::Error::NotFound => {
            Error::new(ProblemCode::NotFound, "there is no such thing")
        }
        newer @ certmill_store::Error::Newer { .. } => {
            Error::finer(ProblemCode::Conflict, "newer_build", newer.to_string())
                .with_hint("ask a replica of the newer build; `certmill cluster` shows them")
        }
        certmill_store::Error::Unavailable(source) => {
            let error = certmill_pg::Error::from(source);
            match error.sqlstate() {
                Some(code) if CROSSED.contains(&code) => crossed(&error),
                _ if error.is_unavailable() => Error::database(error),
                _ => Error::internal(error),
            }
        }
        fault => Error::internal(fault),
    }
}

/// Whether a lock did not come free in time: that of a concurrent twin's key, or of a row.
pub(crate) fn is_lock_timeout(refusal: &Refusal) -> bool {
    let Refusal::Store(certmill_store::Error::Unavailable(source)) = refusal else {
        return false;
    };
    let code = source
        .as_database_error()
        .and_then(|refused| refused.code());
    code.is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

/// Another request won; this one was rolled back.
fn crossed(cause: &certmill_pg::Error) -> Error {
    let detail = "another request on the same thing came between; nothing was carried out";
    let error = Error::new(ProblemCode::Overloaded, detail)
        .with_hint("repeat the request with the same Idempotency-Key")
        .with_retry_after_s(1);
    Error {
        cause: Some(cause.to_string()),
        ..error
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = status_of(&self.problem);
        let mut response = status.into_response();
        response.extensions_mut().insert(Unwritten(self));
        response
    }
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Writes the problem that an answer carries, if it carries one.
pub(crate) fn write(mut response: Response, request_id: &str) -> Response {
    let Some(Unwritten(error)) = response.extensions_mut().remove::<Unwritten>() else {
        return response;
    };
    if let Some(cause) = &error.cause {
        tracing::error!(
            event = "request_failed",
            request_id,
            code = error.problem.code,
            cause
        );
    }
    let problem = error.problem.with_request_id(request_id);
    let Ok(body) = serde_json::to_vec(&problem) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    *response.body_mut() = axum::body::Body::from(body);
    let headers = response.headers_mut();
    if let Some(rates) = error.rates {
        rates.write(headers);
    }
    headers.remove(http::header::CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"certmill\""),
        );
    }
    response
}
