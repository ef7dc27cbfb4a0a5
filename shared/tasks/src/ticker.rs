//! A ticker for in-process loops that neither drifts nor lets replicas beat in step.
//!
//! Invariant: ticks stand on a fixed grid, each shifted by at most half the jitter. So every wait
//! lies within interval x (1 - j) ..= (1 + j), and the shift never adds up, however long the run.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{JitterPercent, Shutdown};

/// An interval of zero would spin; nothing in-process needs to tick faster than this.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// The timetable without the waiting, so that it can be tested without time.
struct Grid {
    interval: Duration,
    jitter: JitterPercent,
    rng: Box<dyn Rng + Send + Sync>,
    /// The unshifted instant of the next tick.
    point: Instant,
    due: Instant,
}

impl Grid {
    fn new(
        interval: Duration,
        jitter: JitterPercent,
        rng: Box<dyn Rng + Send + Sync>,
        now: Instant,
    ) -> Self {
        let interval = interval.max(SHORTEST_INTERVAL);
        let mut grid = Self {
            interval,
            jitter,
            rng,
            point: now,
            due: now,
        };
        grid.plan_next();
        grid
    }

    fn plan_next(&mut self) {
        self.point += self.interval;
        let reach = self.jitter.of(self.interval) / 2;
        let shift = reach.mul_f64(self.rng.random_range(0.0..=2.0));
        self.due = self.point + shift - reach;
    }

    /// Called when a tick is handed out. A consumer that asked only after the tick was due was
    /// busy for longer than the interval: the grid starts again from it, so nothing bursts.
    fn hand_out(&mut self, asked: Instant) {
        if asked > self.due {
            self.point = asked;
        }
        self.plan_next();
    }
}

/// Ticks about every interval, shifted a little each time; the first tick comes one interval in.
///
/// ```
/// # use std::time::Duration;
/// # use certmill_tasks::{JitterPercent, JitteredTicker, Shutdown};
/// # async fn example(shutdown: Shutdown) {
/// let mut ticker = JitteredTicker::new(Duration::from_secs(2), JitterPercent::default())
///     .until(&shutdown);
/// while ticker.tick().await.is_some() {
///     // one round of work
/// }
/// # }
/// ```
pub struct JitteredTicker {
    grid: Grid,
    asked: Option<Instant>,
    stop: CancellationToken,
}

impl JitteredTicker {
    /// A ticker with randomness of its own. Intervals below 1 ms are taken as 1 ms.
    #[must_use]
    pub fn new(interval: Duration, jitter: JitterPercent) -> Self {
        Self::with_rng(interval, jitter, rand::make_rng::<StdRng>())
    }

    /// A ticker whose shifts follow from the seed.
    #[must_use]
    pub fn seeded(interval: Duration, jitter: JitterPercent, seed: u64) -> Self {
        Self::with_rng(interval, jitter, StdRng::seed_from_u64(seed))
    }

    /// A ticker that draws its shifts from `rng`.
    #[must_use]
    pub fn with_rng(
        interval: Duration,
        jitter: JitterPercent,
        rng: impl Rng + Send + Sync + 'static,
    ) -> Self {
        let grid = Grid::new(interval, jitter, Box::new(rng), Instant::now());
        Self {
            grid,
            asked: None,
            stop: CancellationToken::new(),
        }
    }

    /// The first tick comes at once, not after one interval.
    #[must_use]
    pub fn starting_now(mut self) -> Self {
        self.grid.point = Instant::now();
        self.grid.due = self.grid.point;
        self
    }

    /// Ends with `shutdown`, too.
    #[must_use]
    pub fn until(mut self, shutdown: &Shutdown) -> Self {
        self.stop = shutdown.ticker_token();
        self
    }

    /// Waits for the next tick; `None` once stopped, and for ever after.
    ///
    /// May be dropped midway (`select!`): the next call waits for the same tick. A consumer that
    /// comes late gets one tick at once and the next one a whole interval later.
    pub async fn tick(&mut self) -> Option<()> {
        let asked = *self.asked.get_or_insert_with(Instant::now);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            () = sleep_until(self.grid.due) => {
                self.asked = None;
                self.grid.hand_out(asked);
                Some(())
            }
        }
    }

    /// Stops the ticker; doing it again changes nothing.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// A handle that stops this ticker from elsewhere; take it after [`JitteredTicker::until`].
    #[must_use]
    pub fn stopper(&self) -> TickerStop {
        TickerStop(self.stop.clone())
    }
}

impl fmt::Debug for JitteredTicker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitteredTicker")
            .field("interval", &self.grid.interval)
            .field("jitter", &self.grid.jitter)
            .field("stopped", &self.stop.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Stops one ticker from another task.
#[derive(Clone, Debug)]
pub struct TickerStop(CancellationToken);

impl TickerStop {
    /// Stops the ticker; doing it again changes nothing.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn grid(interval_ms: u64, percent: u32, seed: u64, start: Instant) -> Grid {
        let rng = Box::new(StdRng::seed_from_u64(seed));
        Grid::new(
            Duration::from_millis(interval_ms),
            JitterPercent::new(percent),
            rng,
            start,
        )
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_do_not_drift(
            interval_ms in 1u64..100_000,
            percent in 0u32..300,
            seed: u64,
            ticks in 1u32..400,
        ) {
            let start = Instant::now();
            let mut grid = grid(interval_ms, percent, seed, start);
            let interval = grid.interval;
            let reach = JitterPercent::new(percent).of(interval);
            let (low, high) = (interval - reach, interval + reach + Duration::from_nanos(2));
            let mut last = start;
            for n in 1..=ticks {
                let due = grid.due;
                let wait = due - last;
                prop_assert!(wait + Duration::from_nanos(2) >= low && wait <= high, "{wait:?}");
                let ideal = start + interval * n;
                let drift = due.max(ideal) - due.min(ideal);
                prop_assert!(drift < interval.mul_f64(0.3), "drift {drift:?} after {n}");
                grid.hand_out(last);
                last = due;
            }
        }

        #[test]
        fn a_late_consumer_gets_no_burst(seed: u64, percent in 0u32..=50, late in 2u32..50) {
            let start = Instant::now();
            let mut grid = grid(1_000, percent, seed, start);
            let asked = start + grid.interval * late;
            grid.hand_out(asked);
            let wait = grid.due - asked;
            let reach = grid.jitter.of(grid.interval) + Duration::from_nanos(2);
            prop_assert!(wait + reach >= grid.interval && wait <= grid.interval + reach);
        }
    }

    #[test]
    fn two_replicas_do_not_beat_in_step() {
        let start = Instant::now();
        let (mut a, mut b) = (grid(1_000, 10, 1, start), grid(1_000, 10, 2, start));
        let mut apart = 0;
        for _ in 0..100 {
            apart += u32::from(a.due != b.due);
            a.hand_out(start);
            b.hand_out(start);
        }
        assert!(apart >= 99, "{apart}");
    }

    #[tokio::test]
    async fn ticks_then_stops_for_ever() {
        let mut ticker =
            JitteredTicker::seeded(Duration::from_millis(2), JitterPercent::default(), 7);
        assert_eq!(ticker.tick().await, Some(()));
        ticker.stop();
        ticker.stopper().stop();
        assert_eq!(ticker.tick().await, None);
        assert_eq!(ticker.tick().await, None);
    }

    #[tokio::test]
    async fn shutdown_ends_a_waiting_ticker_and_stop_does_not_end_the_process() {
        let shutdown = Shutdown::new();
        let hour = Duration::from_secs(3600);
        let mut first = JitteredTicker::new(hour, JitterPercent::MAX).until(&shutdown);
        let mut second = JitteredTicker::new(hour, JitterPercent::MAX).until(&shutdown);
        first.stop();
        assert_eq!(first.tick().await, None);
        assert!(!shutdown.is_requested());
        let end = shutdown.clone();
        let (tick, ()) = tokio::join!(second.tick(), async move { end.request() });
        assert_eq!(tick, None);
    }

    #[tokio::test]
    async fn a_dropped_wait_keeps_its_tick() {
        let hour = Duration::from_secs(3600);
        let mut ticker = JitteredTicker::new(hour, JitterPercent::default());
        let due = ticker.grid.due;
        tokio::select! {
            biased;
            _ = ticker.tick() => unreachable!("an hour has not passed"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(ticker.grid.due, due);
        let mut now = JitteredTicker::new(hour, JitterPercent::default()).starting_now();
        assert_eq!(now.tick().await, Some(()));
    }
}
