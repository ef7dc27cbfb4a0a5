//! The kind `bulk`: takes the steps of an operation until its end.

use super::{Tools, args};
use crate::outcome::Outcome;
use certmill_domain::waiting;
use certmill_queue::ClaimedJob;
use certmill_service::Error;
use certmill_service::effects::bulk::{BulkArgs, Effect};
use certmill_service::operations::{Step, step};
use std::time::{Duration, Instant};

/// After this long it makes room for others and goes on later.
const BUDGET: Duration = Duration::from_secs(45);

/// Takes steps. A crash loses nothing: the next one begins where the last that was written ended.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let BulkArgs { operation_id } = args(job)?;
    let began = Instant::now();
    loop {
        let (pool, team) = (&tools.pool, job.team_id);
        if let Step::End(state) = step(pool, &job.lease, team, operation_id, &tools.hinter).await? {
            tracing::info!(event = "operation_ended", operation = %operation_id, %state);
            return Ok(Outcome::Complete {
                effect: serde_json::json!(Effect {
                    operation_id,
                    state
                }),
                result: serde_json::json!({ "state": state }),
            });
        }
        if tools.stops.is_asked(&job.lease) {
            return Ok(Outcome::Stop("it ended between two steps"));
        }
        if began.elapsed() > BUDGET {
            return Ok(Outcome::Snooze {
                after: Duration::ZERO,
                code: waiting::WORKER,
            });
        }
    }
}
