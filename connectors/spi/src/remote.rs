//! What a connector wants to remember between steps of one order.
//!
//! Invariant: opaque to everybody but the connector that wrote it; contains no
//! secrets, since it is stored in clear.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Fault;

/// The remote state of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Remote(pub Value);

impl Remote {
    /// The state of an order that no issuer was asked for yet.
    #[must_use]
    pub fn start() -> Self {
        Self(Value::Null)
    }

    /// Whether no issuer was asked yet.
    #[must_use]
    pub fn is_start(&self) -> bool {
        self.0.is_null()
    }

    /// The state as the connector's own type.
    ///
    /// # Errors
    /// A rejecting fault `remote_state_unreadable` if another version or another
    /// connector wrote it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        T::deserialize(&self.0).map_err(|_| Self::unreadable())
    }

    /// Keeps the connector's own type.
    ///
    /// # Errors
    /// A rejecting fault if it cannot be written as JSON.
    pub fn write<T: Serialize>(state: &T) -> Result<Self, Fault> {
        serde_json::to_value(state)
            .map(Self)
            .map_err(|_| Self::unreadable())
    }

    /// The fault for a state that the connector does not know.
    #[must_use]
    pub fn unreadable() -> Fault {
        Fault::rejected(
            "remote_state_unreadable",
            "the stored state of this order was not written by this connector; request anew",
        )
    }
}
