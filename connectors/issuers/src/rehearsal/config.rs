//! Settings of the rehearsal CA.

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the rehearsal CA, a fake for demonstrations and tests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RehearsalConfig {
    /// Where it listens, such as `http://127.0.0.1:4100`. It must be on this machine.
    pub url: String,
    /// How long a call may take, in milliseconds.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u32,
}

fn ten_seconds() -> u32 {
    10_000
}
