//! The processes, the leader and the schedules as they are shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::schema::Instant;

/// `GET /api/v1/cluster`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterView {
    /// Version of the build that answers.
    pub version: String,
    /// Newest migration of the database.
    pub schema: i64,
    /// Processes, living ones first.
    pub processes: Vec<ProcessView>,
    /// The leader, if there is one.
    pub leader: Option<LeaderView>,
    /// The newest terms of leadership, the newest first; at most 10.
    #[serde(default)]
    pub terms: Vec<TermView>,
    /// The schedules.
    pub schedules: Vec<ScheduleView>,
    /// What CAs may be asked for, by issuer.
    #[serde(default)]
    pub budgets: Vec<BudgetView>,
}

/// What a CA may be asked for in any window, over all replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetView {
    /// The issuer's name.
    pub issuer: String,
    /// By what orders are counted: `account`, `registered_domain` or `name_set`.
    pub scope: String,
    /// New orders in any window.
    pub most: i32,
    /// The window, in seconds.
    pub window_s: i64,
    /// How many of them are kept for what is most urgent.
    pub reserve: i32,
    /// New orders within the last window; only of the scope `account`.
    pub used: Option<i64>,
    /// Jobs that wait in the issuer's lane, counted up to 100,000; only of the scope `account`.
    pub waiting: Option<i64>,
    /// In how many seconds the last of them may be asked for, if nothing else comes; only of the scope
    /// `account`.
    pub clears_in_s: Option<f64>,
}

/// One incarnation of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessView {
    /// Its id.
    pub id: String,
    /// `up`, `api`, `worker` or `scheduler`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Version of its build.
    pub version: String,
    /// When it registered.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub started_at: OffsetDateTime,
    /// When it last showed that it lives.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub last_beat: OffsetDateTime,
    /// `alive`, `draining`, `silent`, `stopped` (on purpose) or `dead`.
    pub state: String,
    /// The lanes it claims from.
    #[serde(default)]
    pub queues: Vec<String>,
    /// How many jobs it runs at once; absent for a process that runs none.
    #[serde(default)]
    pub capacity: Option<i32>,
    /// How many jobs it has.
    #[serde(default)]
    pub running: i64,
    /// Its clock less the database's at the last beat, in milliseconds, late by the way there; absent
    /// for a process that does not tell.
    #[serde(default)]
    pub skew_ms: Option<i64>,
    /// How many jobs it has taken from lost processes.
    #[serde(default)]
    pub rescued: i64,
    /// Where its API keeps its limits, `postgres` or `memory`; absent for a process without an API.
    #[serde(default)]
    pub limits: Option<String>,
    /// Newest migration that it knows; a schema that has moved on without it takes it no longer.
    #[serde(default)]
    pub schema_known: Option<i64>,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeaderView {
    /// Name of the process.
    pub holder: String,
    /// Counts the terms.
    pub epoch: i64,
    /// When the term began.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub since: OffsetDateTime,
    /// When the lease was renewed last.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub renewed_at: OffsetDateTime,
}

/// One term of leadership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TermView {
    /// Its number.
    pub epoch: i64,
    /// Name of the process that won it.
    pub holder: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub began_at: OffsetDateTime,
    /// Why: the process before it `resigned`, or its lease had `lapsed`; absent for the first term.
    #[serde(default)]
    pub after: Option<String>,
    /// For how long nobody had renewed or given up the lease, in milliseconds.
    #[serde(default)]
    pub vacant_ms: Option<i64>,
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// Its period in seconds.
    pub period_s: i64,
    /// The slot to come.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub next_slot: Option<OffsetDateTime>,
    /// The last slot that was settled.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub last_slot: Option<OffsetDateTime>,
    /// What became of the last job: `waiting`, `running`, `completed`, `discarded` or `cancelled`.
    #[serde(default)]
    pub last_result: Option<String>,
    /// When that job ended.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub last_ended_at: Option<OffsetDateTime>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub last_duration_ms: Option<i64>,
}
