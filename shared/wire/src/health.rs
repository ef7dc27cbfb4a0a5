//! Life, readiness and version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /health`: the process lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthView {
    /// `ok`
    pub status: String,
}

/// `GET /ready`: it serves; else a 503 problem whose `errors` name what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadyView {
    /// Whether it serves.
    pub ready: bool,
    /// What was looked at.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One condition of readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// `database`, `schema`, `tls` ...
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `GET /api/v1/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Version of the build that answers.
    pub version: String,
    /// Newest migration of the database.
    pub schema: i64,
}
