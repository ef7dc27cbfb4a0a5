//! Lanes and kinds: how much they have to do, and what holds them back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::certificate::reason_faults;
use crate::schema::Instant;
use crate::shape::{Shape, optional};
use crate::{FieldError, Request};

/// `GET /api/v1/lanes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LanesView {
    /// The lanes, by name.
    pub lanes: Vec<LaneView>,
    /// Kinds of jobs that are paused in every lane.
    pub paused_kinds: Vec<PausedKindView>,
    /// Over the lanes shown that are not paused: what workers are scaled by.
    pub total: LaneTotal,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneView {
    /// Its name.
    pub name: String,
    /// Whether its jobs sign with the key of a CA.
    pub needs_key: bool,
    /// How many of its jobs run at once over all workers; without one, as many as there are slots.
    pub max_running: Option<i32>,
    /// Since when nothing is claimed from it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub paused_at: Option<OffsetDateTime>,
    /// Why it is paused.
    pub pause_reason: Option<String>,
    /// Until then nothing is claimed from it: its issuer may not be asked for more.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub closed_until: Option<OffsetDateTime>,
    /// Until then only its most urgent jobs are claimed: what the issuer's budget has left is a reserve.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub reserved_until: Option<OffsetDateTime>,
    /// Jobs that are due and wait, counted up to 10,000.
    pub due: i64,
    /// There are more than were counted.
    pub due_more: bool,
    /// For how long the oldest of them is due, in seconds.
    pub oldest_due_age_s: Option<f64>,
    /// Jobs that run, counted up to 10,000.
    pub running: i64,
}

/// Sums over lanes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneTotal {
    /// Jobs that are due and wait.
    pub due: i64,
    /// For how long the oldest of them is due, in seconds; 0 if there is none.
    pub oldest_due_age_s: f64,
    /// Jobs that run.
    pub running: i64,
}

/// A kind of jobs that nobody claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PausedKindView {
    /// The kind.
    pub kind: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub paused_at: OffsetDateTime,
    /// Why.
    pub reason: Option<String>,
}

/// Limits a lane: `POST /api/v1/lanes/{name}/limit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LaneLimitRequest {
    /// How many of its jobs run at once over all workers; null or absent = no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_running: Option<i64>,
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub reason: Option<String>,
}

/// The highest limit.
const LIMIT_MAX: i64 = 1_000_000;

impl Request for LaneLimitRequest {
    const SHAPE: Shape = Shape::Object(&[
        optional("max_running", Shape::Whole),
        optional("reason", Shape::Text),
    ]);

    fn faults(&self) -> Vec<FieldError> {
        let mut faults = reason_faults(self.reason.as_deref());
        if self
            .max_running
            .is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit))
        {
            let why =
                format!("must be 1 to {LIMIT_MAX}; to run none at all, pause the lane instead");
            faults.push(FieldError::new("/max_running", "out_of_range", why));
        }
        faults
    }
}
