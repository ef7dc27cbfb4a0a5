//! Jobs as they are shown.

use certmill_domain::waiting::WaitingOn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::schema::{Instant, JobIdText, StateWord};

/// One job, live or finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobView {
    /// `job_...`
    #[schemars(with = "JobIdText")]
    pub id: String,
    /// What it does.
    pub kind: String,
    /// The lane it stands in.
    pub queue: String,
    /// `scheduled`, `available`, `running`, `retryable`, `completed`, `discarded`, `cancelled`.
    #[schemars(with = "StateWord")]
    pub state: String,
    /// 0 is the most urgent.
    pub priority: i32,
    /// Attempts so far, the running one included.
    pub attempt: i32,
    /// Attempts at most.
    pub max_attempts: i32,
    /// Not before.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub run_at: OffsetDateTime,
    /// When it was enqueued.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub created_at: OffsetDateTime,
    /// When it ended.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub finished_at: Option<OffsetDateTime>,
    /// Why it is not done.
    #[serde(default)]
    pub waiting_on: Option<WaitingOn>,
    /// What the last failed attempt said.
    #[serde(default)]
    pub last_error: Option<String>,
    /// The trace of the request that asked for it.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// What it is about, with its prefix: `cert_...`
    #[serde(default)]
    pub object: Option<String>,
    /// The newest attempts that failed or were lost, at most 50, oldest first. Only where one job
    /// is looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_attempts: Vec<AttemptView>,
    /// What people did to it, at most 50, oldest first. Only where one job is looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<JobActionView>,
}

/// An attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptView {
    /// Its number; a lost one is given back, so that the next one has it again.
    pub attempt: i32,
    /// When a worker took it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub ended_at: OffsetDateTime,
    /// The class of its fault, such as `transient`; `lost_worker` where its process ended.
    pub outcome: String,
    /// The fault's code.
    #[serde(default)]
    pub code: Option<String>,
    /// The fault in words.
    #[serde(default)]
    pub detail: Option<String>,
    /// The name of the process that had it, while that is known.
    #[serde(default)]
    pub worker: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<i64>,
    /// The trace that it continued.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// What its handler logged at info and above, the newest 20 lines, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLineView>,
}

/// A line that a handler logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogLineView {
    /// By the clock of the worker's host.
    pub at: String,
    /// `ERROR`, `WARN` or `INFO`.
    pub level: String,
    /// The message and its fields, at most 500 characters.
    pub text: String,
}

/// Something that somebody did to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobActionView {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub at: OffsetDateTime,
    /// `job.cancel` or `job.retry`.
    pub action: String,
    /// Who: a key's id, or `system:..`.
    pub by: String,
    /// Why, where it was said.
    #[serde(default)]
    pub reason: Option<String>,
}

impl JobView {
    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "discarded" | "cancelled")
    }
}
