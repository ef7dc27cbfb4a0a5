//! Faults on purpose, for the process test: they exist only in builds with debug assertions.

use rand::RngExt;
use std::time::Duration;

/// What goes wrong on purpose; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failpoints {
    /// Longest sleep between a job's effect and its finish.
    pub finish_delay_max: Duration,
    /// Share of jobs that sleep, 0 to 1.
    pub finish_delay_share: f64,
    /// Finish without the fence, neither the database's nor the process's own notice of its loss:
    /// the control that shows what they prevent.
    pub unfenced_finish: bool,
}

impl Failpoints {
    /// Sleeps for a share of the jobs, so that kills and pauses hit between effect and finish.
    ///
    /// The sleep blocks on purpose: a handler that waits is dropped as soon as the process notices
    /// that its lease is lost, and would hardly ever get as far as the fence.
    pub(crate) fn before_finish(&self) {
        if !cfg!(debug_assertions) || self.finish_delay_max.is_zero() {
            return;
        }
        let mut rng = rand::rng();
        if rng.random::<f64>() < self.finish_delay_share {
            let pause = self.finish_delay_max.mul_f64(rng.random::<f64>());
            tokio::task::block_in_place(|| std::thread::sleep(pause));
        }
    }

    /// Lets a job hand in its end; without the fence it cannot be dropped any more, not even by a
    /// process that has noticed that its lease is lost.
    pub(crate) async fn hand_in(&self, end: impl Future<Output = ()>) {
        if cfg!(debug_assertions) && self.unfenced_finish {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(end));
        } else {
            end.await;
        }
    }
}
