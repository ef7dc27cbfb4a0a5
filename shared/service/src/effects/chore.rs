//! The kind `chore`: its steps write what is to be written, so finishing writes nothing more.

use serde::{Deserialize, Serialize};

/// The kind's name.
pub const KIND: &str = "chore";

/// Arguments of the kind: which schedule's chore.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChoreArgs {
    /// The name of the schedule.
    pub chore: String,
}

impl ChoreArgs {
    /// The arguments as the job row holds them.
    pub(crate) fn of(chore: &str) -> serde_json::Value {
        serde_json::json!({ "chore": chore })
    }
}
