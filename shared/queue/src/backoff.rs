//! How long a failed job waits before its next attempt.
//!
//! Invariant: drawn here from a passed-in source of chance and handed to the database as a span;
//! the SQL adds no randomness.

use std::time::Duration;

use certmill_tasks::Backoff;
use rand::Rng;

use crate::FailureClass;

/// Something passing, such as a network fault: 2 s doubling to 10 min.
const RETRY: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(600));
/// The other side asked for patience: 15 s doubling to 30 min.
const WAIT: Backoff = Backoff::new(Duration::from_secs(15), Duration::from_secs(1800));
/// Somebody has to act first: 5 min doubling to 6 h.
const OPERATOR: Backoff = Backoff::new(Duration::from_secs(300), Duration::from_secs(21_600));

/// The wait after attempt number `attempt` (from 1) failed with this class of fault.
pub fn backoff(class: FailureClass, attempt: i16, rng: &mut impl Rng) -> Duration {
    let policy = match class {
        FailureClass::Retry => RETRY,
        FailureClass::Wait => WAIT,
        FailureClass::Rejected | FailureClass::Misconfigured | FailureClass::Unsupported => {
            OPERATOR
        }
    };
    policy.delay(u32::try_from(attempt).unwrap_or(0), rng)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn waits_grow_are_capped_and_depend_on_the_class() {
        let mut rng = StdRng::seed_from_u64(1);
        let first = backoff(FailureClass::Retry, 1, &mut rng);
        assert!(first >= Duration::from_millis(1500) && first <= Duration::from_millis(2500));
        assert!(backoff(FailureClass::Retry, 30, &mut rng) <= Duration::from_secs(750));
        assert!(backoff(FailureClass::Misconfigured, 1, &mut rng) > Duration::from_secs(200));
        assert!(backoff(FailureClass::Wait, 1, &mut rng) > Duration::from_secs(10));
        assert!(backoff(FailureClass::Retry, -3, &mut rng) <= Duration::from_secs(3));
    }
}
