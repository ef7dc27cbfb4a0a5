//! HMAC-SHA-256 under a subkey of a key-encryption key, for values that travel
//! through a client and must come back unchanged (list cursors).
//!
//! Invariant: each label has its own subkey (HKDF, RFC 5869), so that a tag made
//! for one purpose never verifies for another.

use aws_lc_rs::hmac;

use crate::seal::Kek;

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
}
