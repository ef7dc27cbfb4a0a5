//! Why a call failed, and the exit code that the command line makes of it.
//!
//! Invariant: each error says what, where and what to do, and never shows the key.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::Problem;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client is set up wrongly; nothing was sent.
    #[error("{why}")]
    Config {
        /// What is wrong and what to do.
        why: String,
    },
    /// The server answered with a problem.
    #[error("{}", sentence(.0))]
    Problem(Box<Problem>),
    /// No connection, or it broke.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// The server.
        url: String,
        /// What the system said.
        why: String,
    },
    /// The server's certificate or protocol is not accepted.
    #[error("{url} is not trusted: {why}")]
    Tls {
        /// The server.
        url: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// No answer in time; whether the request was carried out is not known.
    #[error("{url} did not answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// The server.
        url: String,
        /// The time that was waited.
        after: Duration,
    },
    /// The answer is not one of ours.
    #[error("{url} answered in a form that this client does not know: {why}")]
    Answer {
        /// The server.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    pub(super) fn config(why: impl Into<String>) -> Self {
        Self::Config { why: why.into() }
    }

    /// The problem that the server answered with, if it did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The exit code of the command line: 1 failed, 3 bad config, 4 refused, 5 conflict,
    /// 6 time-out, 7 rate-limited, 9 not found, 10 unreachable.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config { .. } => 3,
            Self::Problem(problem) => match problem.status {
                404 => 9,
                409 | 412 => 5,
                408 | 504 => 6,
                429 => 7,
                502 | 503 => 10,
                400..=499 => 4,
                _ => 1,
            },
            Self::Unreachable { .. } | Self::Tls { .. } => 10,
            Self::Timeout { .. } => 6,
            Self::Answer { .. } => 1,
        }
    }

    /// Whether the same call may succeed in a moment. A rate limit is left to the caller.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Problem(problem) => {
                problem.status != 429 && (problem.retryable || matches!(problem.status, 502..=504))
            }
            Self::Config { .. } | Self::Tls { .. } | Self::Answer { .. } => false,
        }
    }

    pub(super) fn of_transport(url: &str, error: &reqwest::Error, after: Duration) -> Self {
        let url = url.to_owned();
        if let Some(tls) = tls_cause(error) {
            return Self::Tls {
                url,
                why: explain(tls),
            };
        }
        if error.is_timeout() {
            return Self::Timeout { url, after };
        }
        Self::Unreachable {
            url,
            why: chain(error),
        }
    }
}

fn sentence(problem: &Problem) -> String {
    let mut text = if problem.detail.is_empty() {
        &problem.title
    } else {
        &problem.detail
    }
    .clone();
    if problem.errors.len() > 1 {
        for fault in &problem.errors {
            text.push_str(&format!("\n  {}: {}", fault.pointer, fault.detail));
        }
    }
    text.push_str(&format!(" ({})", problem.code));
    if let Some(hint) = &problem.hint {
        text.push_str(&format!("; {hint}"));
    }
    text
}

/// The causes in one line, without the URL that reqwest puts in front.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() {
        error.to_string()
    } else {
        parts.join(": ")
    }
}

/// The TLS error in a chain of causes. An `io::Error` hides the error that it wraps: its
/// `source` is the source of that, so it has to be opened by hand.
fn tls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let wrapped = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(tls) = wrapped.and_then(|inner| tls_cause(inner)) {
            return Some(tls);
        }
        next = cause.source();
    }
    None
}

fn explain(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            "its certificate comes from an unknown CA; name the server's ca.pem \
             (CERTMILL_CA_FILE), or wait if it has just started"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            Bad::NotValidForName | Bad::NotValidForNameContext { .. },
        ) => "its certificate is for another name; add the name to public_names".to_owned(),
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_) => {
            format!("no common TLS 1.3 settings: {error}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProblemCode;

    #[test]
    fn exit_codes_follow_the_interfaces() {
        let of = |code| Error::Problem(Box::new(Problem::new(code, "why"))).exit_code();
        assert_eq!(of(ProblemCode::InvalidRequest), 4);
        assert_eq!(of(ProblemCode::Forbidden), 4);
        assert_eq!(of(ProblemCode::NotFound), 9);
        assert_eq!(of(ProblemCode::Conflict), 5);
        assert_eq!(of(ProblemCode::RateLimited), 7);
        assert_eq!(of(ProblemCode::NotReady), 10);
        assert_eq!(of(ProblemCode::Internal), 1);
        let url = || "https://h".to_owned();
        assert_eq!(
            Error::Timeout {
                url: url(),
                after: Duration::ZERO
            }
            .exit_code(),
            6
        );
        assert_eq!(
            Error::Tls {
                url: url(),
                why: String::new()
            }
            .exit_code(),
            10
        );
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let passes = |code| Error::Problem(Box::new(Problem::new(code, ""))).may_pass();
        assert!(passes(ProblemCode::NotReady) && passes(ProblemCode::IdempotencyInProgress));
        assert!(!passes(ProblemCode::RateLimited) && !passes(ProblemCode::Internal));
        assert!(!passes(ProblemCode::Conflict));
    }

    #[test]
    fn finds_tls_errors_inside_io_errors() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let io = io::Error::other(io::Error::other(tls));
        assert!(tls_cause(&io).is_some_and(|tls| explain(tls).contains("ca.pem")));
        assert!(tls_cause(&io::Error::other("plain")).is_none());
    }
}
