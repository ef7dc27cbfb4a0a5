//! Faults on purpose, for the process test: they exist only in builds with debug assertions.

use certmill_tasks::carry_through;
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
    /// Lets a job hand in its end, for a share of the jobs after a while, so that kills and pauses
    /// hit between its effect and its finish.
    ///
    /// An end that is held back is out of its handler's hands: the handler is dropped as soon as the
    /// process notices that its lease is lost, and the end would hardly ever get as far as the fence.
    pub(crate) async fn hand_in(&self, end: impl Future<Output = ()> + Send + 'static) {
        if !cfg!(debug_assertions) || self.finish_delay_max.is_zero() && !self.unfenced_finish {
            return end.await;
        }
        let pause = self.pause();
        carry_through(async move {
            tokio::time::sleep(pause).await;
            end.await;
        })
        .await;
    }

    fn pause(&self) -> Duration {
        let mut rng = rand::rng();
        if rng.random::<f64>() < self.finish_delay_share {
            return self.finish_delay_max.mul_f64(rng.random::<f64>());
        }
        Duration::ZERO
    }
}
