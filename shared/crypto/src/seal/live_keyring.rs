//! The keyring of a running process, which another one may replace at any time.
//!
//! Invariant: whoever needs more than one thing of a keyring (an envelope and the id it was sealed
//! under) takes one snapshot and asks it for both.

use std::sync::{Arc, PoisonError, RwLock};

use crate::seal::Keyring;

/// A keyring that is replaced while it is in use.
pub struct LiveKeyring(RwLock<Arc<Keyring>>);

impl LiveKeyring {
    /// Starts with this one.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self(RwLock::new(Arc::new(keyring)))
    }

    /// The keyring as it is now; later replacements do not change it.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Keyring> {
        // A lock that a panic left behind still guards a whole `Arc`.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on snapshots are of `keyring`.
    pub fn replace(&self, keyring: Keyring) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Kek;

    #[test]
    fn a_snapshot_outlives_a_replacement() {
        let ring = |byte| Keyring::new(Kek::from_bytes([byte; 32]), Vec::new());
        let live = LiveKeyring::new(ring(1));
        let before = live.snapshot();
        live.replace(ring(2));
        assert_eq!(before.current().id(), ring(1).current().id());
        assert_eq!(live.snapshot().current().id(), ring(2).current().id());
    }
}
