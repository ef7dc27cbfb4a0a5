//! What jobs came to by the hour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::schema::Instant;

/// `GET /api/v1/statistics/jobs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobHoursView {
    /// Hours of the last week that are over, the oldest first, by kind and result.
    pub hours: Vec<JobHourView>,
}

/// Jobs of one kind that ended alike within an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobHourView {
    /// The hour's beginning.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub hour: OffsetDateTime,
    /// The kind.
    pub kind: String,
    /// `completed`, `discarded` or `cancelled`.
    pub result: String,
    /// How many.
    pub jobs: i64,
    /// From due to claimed, summed up over them, in seconds.
    pub waited_s: f64,
    /// From claimed to ended, summed up over them, in seconds.
    pub ran_s: f64,
}
