//! A classified failure of a connector.
//!
//! Invariant: the class is decided where the failure is born; details carry no
//! secrets, since they are stored, logged and shown.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The code of a fault of class `Wait` that holds for every order of the issuer, not for this one alone.
pub const RATE_LIMITED: &str = "rate_limited";

/// What should happen next, in the connector's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// May pass by itself: try again with backoff.
    Retry,
    /// The other side names a time, or a limit: wait without burning an attempt.
    Wait,
    /// The other side refuses this order for good.
    Rejected,
    /// Settings or credentials are wrong: a person must act.
    Misconfigured,
    /// The other side has no such function.
    Unsupported,
}

/// A failed call.
#[derive(Debug)]
pub struct Fault {
    /// What should happen next.
    pub class: FaultClass,
    /// A stable code in snake case.
    pub code: Cow<'static, str>,
    /// What, where and why, for people.
    pub detail: String,
    /// The wait that the other side asked for.
    pub retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault of any class.
    pub fn new(
        class: FaultClass,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            class,
            code: code.into(),
            detail: detail.into(),
            retry_after: None,
            source: None,
        }
    }

    /// May pass by itself.
    pub fn retry(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FaultClass::Retry, code, detail)
    }

    /// To be waited out for `retry_after`.
    pub fn wait(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
        retry_after: Duration,
    ) -> Self {
        let fault = Self::new(FaultClass::Wait, code, detail);
        Self {
            retry_after: Some(retry_after),
            ..fault
        }
    }

    /// Refused for good.
    pub fn rejected(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FaultClass::Rejected, code, detail)
    }

    /// A person must act.
    pub fn misconfigured(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FaultClass::Misconfigured, code, detail)
    }

    /// No such function.
    pub fn unsupported(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(FaultClass::Unsupported, code, detail)
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_code_and_detail_and_keeps_its_cause() {
        let fault = Fault::wait("busy", "the CA is busy", Duration::from_secs(3))
            .caused_by(std::io::Error::other("reset"));
        assert_eq!(fault.to_string(), "busy: the CA is busy");
        assert_eq!(fault.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(
            fault.source().map(ToString::to_string),
            Some("reset".into())
        );
    }
}
