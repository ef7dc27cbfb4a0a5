//! What a job ended in, and the one pure function that turns a fault into it.

use certmill_domain::waiting;
use certmill_queue::FailureClass;
use certmill_queue::backoff::backoff;
use certmill_spi::{Fault, FaultClass};
use std::time::Duration;

/// How one attempt at a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done; `effect` is written with the completion, under the fence.
    Complete {
        /// What the kind's effect file applies.
        effect: serde_json::Value,
        /// What the job's history shows.
        result: serde_json::Value,
    },
    /// Not done, nobody's fault: look again later, without using up an attempt.
    Snooze {
        /// How long.
        after: Duration,
        /// Why, as `waiting_on` shows it.
        code: &'static str,
    },
    /// Not begun, and not to be for the moment: it waits again as it was, with its place in the line.
    GiveBack,
    /// The attempt failed.
    Fail(Failed),
    /// It was asked to stop, and did; how, in words. If nobody wants that any more by now, it waits
    /// for a worker again.
    Stop(&'static str),
    /// The lease is lost: write nothing.
    Abandon,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// Class of the fault.
    pub class: FailureClass,
    /// Stable code.
    pub code: String,
    /// What happened, for people; no secret.
    pub detail: String,
    /// How long until the next attempt, if there is one.
    pub backoff: Duration,
    /// Whether a repeat cannot help.
    pub permanent: bool,
}

/// Longest wait that an issuer's Retry-After is followed for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// Shortest one.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// Turns a connector's fault into an outcome. `rng` spreads the backoff.
#[must_use]
pub fn decide(fault: &Fault, attempt: i16, rng: &mut impl rand::Rng) -> Outcome {
    let class = class_of(fault.class);
    let asked = fault
        .retry_after
        .map(|wait| wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
    let wait = asked.unwrap_or_else(|| backoff(class, attempt, rng));
    match fault.class {
        FaultClass::Wait => Outcome::Snooze {
            after: wait,
            code: waiting::ISSUER_PENDING,
        },
        FaultClass::Retry => failed(fault, class, wait, false),
        FaultClass::Rejected | FaultClass::Misconfigured | FaultClass::Unsupported => {
            failed(fault, class, wait, true)
        }
    }
}

fn failed(fault: &Fault, class: FailureClass, backoff: Duration, permanent: bool) -> Outcome {
    Outcome::Fail(Failed {
        class,
        code: fault.code.to_string(),
        detail: fault.detail.clone(),
        backoff,
        permanent,
    })
}

fn class_of(class: FaultClass) -> FailureClass {
    match class {
        FaultClass::Retry => FailureClass::Retry,
        FaultClass::Wait => FailureClass::Wait,
        FaultClass::Rejected => FailureClass::Rejected,
        FaultClass::Misconfigured => FailureClass::Misconfigured,
        FaultClass::Unsupported => FailureClass::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn decided(fault: &Fault, attempt: i16) -> Outcome {
        decide(fault, attempt, &mut StdRng::seed_from_u64(7))
    }

    #[test]
    fn each_class_has_its_outcome() {
        let table = [
            (Fault::retry("timeout", "no answer"), Some(false)),
            (Fault::rejected("bad_csr", "refused"), Some(true)),
            (Fault::misconfigured("no_key", "no key"), Some(true)),
            (Fault::unsupported("no_such", "not here"), Some(true)),
        ];
        for (fault, permanent) in table {
            let Outcome::Fail(failed) = decided(&fault, 1) else {
                panic!("{fault:?}")
            };
            assert_eq!(Some(failed.permanent), permanent, "{fault:?}");
        }
        let wait = Fault::wait("processing", "not yet", Duration::from_secs(5));
        assert!(matches!(decided(&wait, 1), Outcome::Snooze { .. }));
    }

    #[test]
    fn retry_after_is_followed_within_bounds() {
        for (asked_s, followed_s) in [(0, 1), (30, 30), (1_000_000, 86_400)] {
            let fault = Fault::wait("rate_limited", "later", Duration::from_secs(asked_s));
            let Outcome::Snooze { after, .. } = decided(&fault, 1) else {
                panic!()
            };
            assert_eq!(after, Duration::from_secs(followed_s));
        }
    }

    #[test]
    fn later_attempts_wait_longer() {
        let fault = Fault::retry("timeout", "no answer");
        let wait = |attempt| match decided(&fault, attempt) {
            Outcome::Fail(failed) => failed.backoff,
            other => panic!("{other:?}"),
        };
        assert!(wait(5) > wait(1));
    }
}
