//! The kind `renewal_sweep`: steps through what is due until nothing is.

use super::Tools;
use crate::outcome::Outcome;
use certmill_queue::ClaimedJob;
use certmill_service::{Error, sweep};
use std::time::{Duration, Instant};

/// After this long the sweep stops; the next slot goes on.
const BUDGET: Duration = Duration::from_secs(45);

/// Runs one sweep.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let began = Instant::now();
    let (mut taken, mut enqueued) = (0, 0);
    loop {
        let step = sweep::step(&tools.pool, &job.lease, &tools.hinter).await?;
        taken += step.taken;
        enqueued += step.enqueued;
        if tools.stops.is_asked(&job.lease) {
            return Ok(Outcome::Stop("it ended between two steps"));
        }
        if step.taken == 0 || began.elapsed() > BUDGET {
            break;
        }
    }
    if taken > 0 {
        tracing::info!(event = "renewal_sweep", taken, enqueued);
    }
    let result = serde_json::json!({ "taken": taken, "enqueued": enqueued });
    Ok(Outcome::Complete {
        effect: serde_json::Value::Null,
        result,
    })
}
