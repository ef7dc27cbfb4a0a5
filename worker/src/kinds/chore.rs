//! The kind `chore`: the steps of a schedule's chore, until one finds nothing.

use super::{LOOK_AGAIN, Tools, args};
use crate::outcome::Outcome;
use certmill_domain::waiting::UNKNOWN_KIND;
use certmill_queue::ClaimedJob;
use certmill_service::effects::chore::ChoreArgs;
use certmill_service::{Error, schedules};
use std::time::{Duration, Instant};

/// After this long it stops between two steps; the next slot goes on.
const BUDGET: Duration = Duration::from_secs(30);

/// Runs one slot's worth.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let ChoreArgs { chore } = args(job)?;
    let (began, mut rows, mut more) = (Instant::now(), 0, true);
    while more && began.elapsed() < BUDGET {
        let Some(step) = schedules::step(&tools.pool, &chore).await else {
            return Ok(Outcome::Snooze {
                after: LOOK_AGAIN,
                code: UNKNOWN_KIND,
            });
        };
        let seen_to = step?;
        (rows, more) = (rows + seen_to, seen_to > 0);
        if tools.stops.is_asked(&job.lease) {
            return Ok(Outcome::Stop("it ended between two steps"));
        }
    }
    if rows > 0 {
        tracing::info!(event = "chore", chore, rows, unfinished = more);
    }
    let result = serde_json::json!({ "chore": chore, "rows": rows, "unfinished": more });
    Ok(Outcome::Complete {
        effect: serde_json::Value::Null,
        result,
    })
}
