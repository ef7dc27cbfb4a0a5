//! The kind `crl_sweep`: enqueues lists for the authorities that need one.

use super::Tools;
use crate::outcome::Outcome;
use certmill_queue::ClaimedJob;
use certmill_service::{Error, publication};

/// Runs once.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let due = publication::sweep(&tools.pool, &job.lease, &tools.hinter).await?;
    Ok(Outcome::Complete {
        effect: serde_json::Value::Null,
        result: serde_json::json!({ "due": due }),
    })
}
