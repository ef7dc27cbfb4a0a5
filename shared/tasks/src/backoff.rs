//! How long to wait before the next try: exponential, capped, spread.
//!
//! Invariant: a wait is between 0.75 and 1.25 times the capped exponential delay, and the caller
//! hands in the randomness, so that a decision can be repeated in a test.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// Beyond this many doublings every delay is at its cap.
const MOST_DOUBLINGS: u32 = 64;

/// A policy of waiting between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    attempts: Option<u32>,
}

impl Backoff {
    /// Waits `base`, then twice that, and so on up to `max`, for ever.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            attempts: None,
        }
    }

    /// Gives up after this many tries in all (the first one counts).
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The wait after try number `attempt` (from 1) has failed.
    pub fn delay(&self, attempt: u32, rng: &mut (impl Rng + ?Sized)) -> Duration {
        delay(attempt, self.base, self.max, rng)
    }

    /// The waits in order; ends where the policy gives up.
    pub fn delays<R: Rng + Send + Sync + Unpin>(self, rng: R) -> Delays<R> {
        Delays {
            policy: self,
            failed: 0,
            rng,
        }
    }
}

/// The waits that a policy prescribes, one after the other.
#[derive(Debug)]
pub struct Delays<R> {
    policy: Backoff,
    failed: u32,
    rng: R,
}

impl<R: Rng> Iterator for Delays<R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        if self.policy.attempts.is_some_and(|most| self.failed >= most) {
            return None;
        }
        Some(self.policy.delay(self.failed, &mut self.rng))
    }
}

/// The wait after try number `attempt` (from 1; 0 counts as 1) has failed: `base` doubled each
/// time, at most `max`, then multiplied by a factor drawn from 0.75 ..= 1.25.
pub fn delay(
    attempt: u32,
    base: Duration,
    max: Duration,
    rng: &mut (impl Rng + ?Sized),
) -> Duration {
    let mut plain = ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(base.min(max))
        .with_max_delay(max)
        .without_max_times()
        .build();
    let doublings = attempt.saturating_sub(1).min(MOST_DOUBLINGS);
    let plain = plain.nth(doublings as usize).unwrap_or(max);
    // `mul_f64` panics where the product does not fit; such a delay is "never" anyway.
    Duration::try_from_secs_f64(plain.as_secs_f64() * rng.random_range(0.75..=1.25)).unwrap_or(max)
}

/// Tries `op` until it succeeds, fails for good, or the policy gives up.
///
/// `notify` sees each failure that will be tried again and the wait before it.
///
/// # Errors
/// The last error of `op`.
pub async fn retry<T, E, Op, Fut>(
    policy: Backoff,
    op: Op,
    is_retryable: impl FnMut(&E) -> bool,
    notify: impl FnMut(&E, Duration),
) -> Result<T, E>
where
    Op: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let delays = policy.delays(rand::make_rng::<StdRng>());
    op.retry(delays).when(is_retryable).notify(notify).await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_stays_in_its_band(
            attempt in 0u32..200,
            base_ms in 1u64..60_000,
            max_ms in 1u64..86_400_000,
            seed: u64,
        ) {
            let (base, max) = (Duration::from_millis(base_ms), Duration::from_millis(max_ms));
            let doublings = attempt.saturating_sub(1).min(40);
            let plain = base_ms.saturating_mul(1 << doublings).min(max_ms) as f64;
            let drawn = delay(attempt, base, max, &mut StdRng::seed_from_u64(seed));
            let drawn = drawn.as_secs_f64() * 1000.0;
            prop_assert!(drawn >= plain * 0.7499 && drawn <= plain * 1.2501, "{drawn} of {plain}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_delay() {
        let policy = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let draw = || policy.delay(3, &mut StdRng::seed_from_u64(9));
        assert_eq!(draw(), draw());
    }

    #[test]
    fn absurd_bounds_do_not_panic() {
        let mut rng = StdRng::seed_from_u64(1);
        let _ = delay(u32::MAX, Duration::MAX, Duration::MAX, &mut rng);
        assert_eq!(
            delay(1, Duration::from_secs(9), Duration::ZERO, &mut rng),
            Duration::ZERO
        );
    }

    #[tokio::test]
    async fn retries_what_may_pass_and_stops_at_the_limit() {
        let policy = Backoff::new(Duration::from_micros(1), Duration::from_micros(2));
        let (tries, notices) = (Cell::new(0), Cell::new(0));
        let op = || async {
            tries.set(tries.get() + 1);
            if tries.get() < 3 {
                Err("passing")
            } else {
                Ok(tries.get())
            }
        };
        let done = retry(policy, op, |_| true, |_, _| notices.set(notices.get() + 1)).await;
        assert_eq!((done, notices.get()), (Ok(3), 2));

        tries.set(0);
        let fails = || async {
            tries.set(tries.get() + 1);
            Err::<(), _>("always")
        };
        assert!(
            retry(policy.with_attempts(4), fails, |_| true, |_, _| {})
                .await
                .is_err()
        );
        assert_eq!(tries.get(), 4);

        tries.set(0);
        assert!(retry(policy, fails, |_| false, |_, _| {}).await.is_err());
        assert_eq!(tries.get(), 1);
    }
}
