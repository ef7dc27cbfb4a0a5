//! The kind `partition_care`: partitions for the days to come, and away with those past retention.

use super::Tools;
use crate::outcome::Outcome;
use certmill_queue::{ClaimedJob, maintenance};
use certmill_service::Error;

/// Partitions are made this far ahead.
const DAYS_AHEAD: i32 = 7;

/// Runs once.
pub(super) async fn run(tools: &Tools, _: &ClaimedJob) -> Result<Outcome, Error> {
    let mut conn = tools
        .pool
        .acquire()
        .await
        .map_err(|why| Error::Store(why.into()))?;
    let (completed, ended) = (
        i32::from(tools.retention.completed_days),
        i32::from(tools.retention.ended_days),
    );
    let (made, dropped) =
        maintenance::partition_care(&mut conn, DAYS_AHEAD, completed, ended).await?;
    let result = serde_json::json!({ "made": made, "dropped": dropped });
    Ok(Outcome::Complete {
        effect: serde_json::Value::Null,
        result,
    })
}
