//! What failovers have lost, as the processes tell that remember it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::schema::Instant;

/// `GET /api/v1/history-cuts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryView {
    /// The newest cuts, the newest first; at most 100. After a failover each process tells its own.
    pub cuts: Vec<CutView>,
    /// Acknowledged changes of which nothing is left and that nobody has settled, the oldest first; at
    /// most 1,000.
    pub lost: Vec<LostWriteView>,
}

/// What one process has found when it moved to another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CutView {
    /// Its id.
    pub id: String,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub seen_at: OffsetDateTime,
    /// Name of the process.
    pub process: String,
    /// Its role.
    pub role: String,
    /// The timeline that it worked on before; null where the server does not tell.
    pub timeline_before: Option<i32>,
    /// The timeline that it works on since.
    pub timeline_after: Option<i32>,
    /// When the server was started that it works on since.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub server_started_at: OffsetDateTime,
    /// How many acknowledged changes it remembered and compared.
    pub remembered: i32,
    /// The oldest of them; what is older was not compared.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub remembered_from: Option<OffsetDateTime>,
    /// How many of them are lost.
    pub lost: i32,
}

/// An acknowledged change of which nothing is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostWriteView {
    /// The cut it was lost in.
    pub cut_id: String,
    /// When it had been written.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub at: OffsetDateTime,
    /// Who had asked for it: a key, or `system:` and a part.
    pub actor: String,
    /// What it was, such as `certificate.request`.
    pub action: String,
    /// What it had changed.
    pub object: String,
    /// Whether a later version of the certificate was issued, so that nothing is left to do.
    pub healed: bool,
}

/// What was settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettledView {
    /// How many lost changes were declared as seen to.
    pub settled: i64,
}
