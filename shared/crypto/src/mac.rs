//! HMAC-SHA-256 under a subkey of a key-encryption key, for values that travel
//! through a client and must come back unchanged (list cursors).
//!
//! Invariant: each label has its own subkey (HKDF, RFC 5869), so that a tag made
//! for one purpose never verifies for another.

use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::seal::{Kek, LiveKeyring};

/// Length of a tag in bytes.
pub const TAG_LEN: usize = 32;

/// A message authentication key for one purpose.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Derives the key for `label` (for example `"cursor"`) from `kek`.
    #[must_use]
    pub fn derive(kek: &Kek, label: &str) -> Self {
        let subkey = kek.subkey("mac v1", label);
        Self(hmac::Key::new(hmac::HMAC_SHA256, subkey.as_slice()))
    }

    /// The tag of `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; TAG_LEN] {
        let mut out = [0_u8; TAG_LEN];
        out.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        out
    }

    /// Whether `tag` belongs to `message`, compared in constant time.
    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

/// Message authentication for one purpose by a keyring that may change: the current key signs,
/// every key verifies, so that what was signed before a rotation stays good until its key goes.
#[derive(Clone)]
pub struct MacRing {
    keys: Arc<LiveKeyring>,
    label: &'static str,
}

impl MacRing {
    /// Uses the subkeys for `label` (for example `"cursor"`) of these keys.
    #[must_use]
    pub fn new(keys: Arc<LiveKeyring>, label: &'static str) -> Self {
        Self { keys, label }
    }

    /// The tag of `message` under the current key.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; TAG_LEN] {
        MacKey::derive(self.keys.snapshot().current(), self.label).sign(message)
    }

    /// Whether any key of the ring made `tag` for `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        let keys = self.keys.snapshot();
        keys.keks()
            .any(|kek| MacKey::derive(kek, self.label).verify(message, tag))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::seal::Keyring;

    #[test]
    fn verifies_only_its_own_label_key_and_message() {
        let kek = Kek::from_bytes([7; 32]);
        let cursor = MacKey::derive(&kek, "cursor");
        let tag = cursor.sign(b"row 7");
        assert!(cursor.verify(b"row 7", &tag));
        assert!(!cursor.verify(b"row 8", &tag));
        assert!(!cursor.verify(b"row 7", &tag[..31]));
        assert!(!cursor.verify(b"row 7", b""));
        assert!(!MacKey::derive(&kek, "session").verify(b"row 7", &tag));
        assert!(!MacKey::derive(&Kek::from_bytes([8; 32]), "cursor").verify(b"row 7", &tag));
    }

    #[test]
    fn a_ring_verifies_what_an_earlier_key_signed() {
        let kek = |byte| Kek::from_bytes([byte; 32]);
        let live = Arc::new(LiveKeyring::new(Keyring::new(kek(1), Vec::new())));
        let ring = MacRing::new(Arc::clone(&live), "cursor");
        let old = ring.sign(b"row 7");
        live.replace(Keyring::new(kek(2), vec![kek(1)]));
        assert_ne!(ring.sign(b"row 7"), old);
        assert!(ring.verify(b"row 7", &old) && !ring.verify(b"row 8", &old));
        live.replace(Keyring::new(kek(2), Vec::new()));
        assert!(!ring.verify(b"row 7", &old));
    }
}
