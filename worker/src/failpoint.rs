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
    /// Finish without the fence: the control that shows what the fence prevents.
    pub unfenced_finish: bool,
}

impl Failpoints {
    /// Sleeps for a share of the jobs, so that kills and pauses hit between effect and finish.
    pub(crate) async fn before_finish(&self) {
        if !cfg!(debug_assertions) || self.finish_delay_max.is_zero() {
            return;
        }
        let pause = {
            let mut rng = rand::rng();
            (rng.random::<f64>() < self.finish_delay_share)
                .then(|| self.finish_delay_max.mul_f64(rng.random::<f64>()))
        };
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}
