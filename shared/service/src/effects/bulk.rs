//! The kind `bulk`: an operation has come to its end.

use crate::{Error, operations};
use certmill_domain::ids::{OperationId, TeamId};
use certmill_domain::operation::OperationState;
use certmill_domain::schedule::LANE;
use certmill_pg::Tx;
use certmill_queue::NewJob;
use serde::{Deserialize, Serialize};

/// The kind's name.
pub const KIND: &str = certmill_domain::operation::KIND;

/// Arguments of the kind: which operation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct BulkArgs {
    /// The operation.
    pub operation_id: OperationId,
}

impl BulkArgs {
    /// The job that takes the steps; there is one for each operation.
    #[must_use]
    pub fn job(self, team: TeamId) -> NewJob {
        let args = serde_json::json!({ "operation_id": self.operation_id });
        let mut key = b"bulk:".to_vec();
        key.extend_from_slice(self.operation_id.0.as_bytes());
        NewJob {
            unique_key: Some(key),
            object: Some(self.operation_id.to_string()),
            priority: 1,
            ..NewJob::new(team, LANE, KIND, args)
        }
    }
}

/// An operation whose last step was taken.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Effect {
    /// The operation.
    pub operation_id: OperationId,
    /// How it ends.
    pub state: OperationState,
}

/// Ends the operations.
///
/// # Errors
/// [`Error::Store`].
pub async fn apply(effects: Vec<Effect>, tx: &mut Tx) -> Result<(), Error> {
    for state in OperationState::ALL {
        let ended = effects.iter().filter(|one| one.state == state);
        let mut ids: Vec<OperationId> = ended.map(|one| one.operation_id).collect();
        ids.sort_unstable();
        if !ids.is_empty() {
            operations::end(tx, &ids, state, None).await?;
        }
    }
    Ok(())
}
