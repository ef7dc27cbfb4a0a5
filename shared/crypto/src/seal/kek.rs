//! A key-encryption key and its id.
//!
//! Invariant: the key itself is never used with a cipher; every use has its own
//! HKDF subkey (RFC 5869), and memory is wiped on drop.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::digest::sha256;
use crate::random::{self, RandomError};

/// Names a KEK in rows, logs and errors: the first 8 bytes of
/// SHA-256("certmill kek v1" || key), shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KekId(pub(super) [u8; 8]);

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The text is no id of a key-encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 16 hexadecimal digits")]
pub struct KekIdError;

impl FromStr for KekId {
    type Err = KekIdError;

    fn from_str(text: &str) -> Result<Self, KekIdError> {
        let mut id = [0_u8; 8];
        hex::decode_to_slice(text, &mut id).map_err(|_| KekIdError)?;
        Ok(Self(id))
    }
}

/// A key-encryption key of 256 bits.
pub struct Kek {
    id: KekId,
    key: Zeroizing<[u8; 32]>,
}

impl Kek {
    /// A KEK from its 32 bytes. The caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(key: [u8; 32]) -> Self {
        let key = Zeroizing::new(key);
        let mut input = Zeroizing::new(b"certmill kek v1".to_vec());
        input.extend_from_slice(key.as_slice());
        let mut id = [0_u8; 8];
        id.copy_from_slice(&sha256(&input)[..8]);
        Self { id: KekId(id), key }
    }

    /// Draws a new KEK in memory.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        Ok(Self::from_bytes(random::bytes()?))
    }

    /// The id, which may be stored and logged.
    #[must_use]
    pub fn id(&self) -> KekId {
        self.id
    }

    /// The 32 bytes, for the file that holds them.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// The subkey for `purpose` and `label`; the same inputs give the same key.
    pub(crate) fn subkey(&self, purpose: &str, label: &str) -> Zeroizing<[u8; 32]> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"certmill");
        let prk = salt.extract(self.key.as_slice());
        let mut out = Zeroizing::new([0_u8; 32]);
        let parts = [purpose.as_bytes(), b"\0", label.as_bytes()];
        prk.expand(&parts, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(out.as_mut_slice()))
            .expect("HKDF-SHA-256 always yields the 32 bytes of its own digest length");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_stable_and_depends_on_the_key() {
        let id = Kek::from_bytes([0; 32]).id().to_string();
        assert_eq!(id.len(), 16);
        assert_eq!(id, Kek::from_bytes([0; 32]).id().to_string());
        assert_ne!(id, Kek::from_bytes([1; 32]).id().to_string());
    }

    #[test]
    fn subkeys_differ_by_purpose_and_label() {
        let kek = Kek::from_bytes([3; 32]);
        assert_eq!(*kek.subkey("a", "b"), *kek.subkey("a", "b"));
        assert_ne!(*kek.subkey("a", "b"), *kek.subkey("a", "c"));
        assert_ne!(*kek.subkey("ab", ""), *kek.subkey("a", "b"));
    }
}
