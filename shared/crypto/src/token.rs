//! API keys: `cm_` + 8 characters that identify the key + `_` + 256 random bits
//! + a checksum, all in lower-case base 32.
//!
//! Invariant: only the SHA-256 of a key is ever stored, and it is compared in
//! constant time. The checksum finds typing errors before the database is asked;
//! it proves nothing.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::digest::sha256;
use crate::random::{self, RandomError};

const PREFIX: &str = "cm_";
const ID_LEN: usize = 8;
const SECRET_LEN: usize = 52;
const CHECKSUM_LEN: usize = 6;
const TOTAL_LEN: usize = PREFIX.len() + ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;

/// Why a text is no API key. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not of the form `cm_xxxxxxxx_...`.
    #[error("this is not a certmill API key: it must start with \"cm_\" and have 70 characters")]
    Malformed,
    /// A character was lost or changed on the way.
    #[error("the API key's checksum is wrong: copy the whole key again")]
    Checksum,
}

/// One API key, in clear. Shown once to its owner, never stored.
pub struct ApiKey {
    text: SecretString,
    id: String,
}

impl ApiKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        let id = encode(&random::bytes::<5>()?);
        let secret = Zeroizing::new(random::bytes::<32>()?);
        let mut text = String::with_capacity(TOTAL_LEN);
        text.push_str(PREFIX);
        text.push_str(&id);
        text.push('_');
        text.push_str(&Zeroizing::new(encode(secret.as_slice())));
        text.push_str(&checksum(&text));
        let text = SecretString::from(text);
        Ok(Self { text, id })
    }

    /// Reads a key as a client sent it.
    ///
    /// # Errors
    /// [`TokenError`] when the form or the checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let rest = text.strip_prefix(PREFIX).ok_or(TokenError::Malformed)?;
        if text.len() != TOTAL_LEN || !rest.is_ascii() {
            return Err(TokenError::Malformed);
        }
        let (id, secret) = rest.split_at(ID_LEN);
        let secret = secret.strip_prefix('_').ok_or(TokenError::Malformed)?;
        if !id.bytes().chain(secret.bytes()).all(is_base32) {
            return Err(TokenError::Malformed);
        }
        let (body, sum) = text.split_at(TOTAL_LEN - CHECKSUM_LEN);
        if checksum(body) != sum {
            return Err(TokenError::Checksum);
        }
        Ok(Self {
            text: SecretString::from(text),
            id: id.to_owned(),
        })
    }

    /// The part that may be shown and logged; finds the row.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole key, to be handed to its owner once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// SHA-256 of the whole key: what is stored. The key has 256 random bits, so
    /// neither salt nor stretching would add anything.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.expose().as_bytes())
    }

    /// Whether this key is the one whose hash is stored, in constant time.
    #[must_use]
    pub fn matches(&self, stored_hash: &[u8]) -> bool {
        verify_slices_are_equal(&self.hash(), stored_hash).is_ok()
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut text = BASE32_NOPAD.encode(bytes);
    text.make_ascii_lowercase();
    text
}

fn is_base32(byte: u8) -> bool {
    byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)
}

fn checksum(body: &str) -> String {
    let mut input = Zeroizing::new(b"certmill api key v1".to_vec());
    input.extend_from_slice(body.as_bytes());
    let mut sum = encode(&sha256(&input));
    sum.truncate(CHECKSUM_LEN);
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_generated_key_parses_and_matches_only_itself() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(key.expose().len(), TOTAL_LEN);
        let again = ApiKey::parse(key.expose()).ok().unwrap();
        assert_eq!(again.id(), key.id());
        assert!(again.matches(&key.hash()));
        let other = ApiKey::generate().unwrap();
        assert!(!other.matches(&key.hash()));
        assert!(!key.matches(&key.hash()[..31]));
    }

    #[test]
    fn every_single_changed_character_is_found() {
        let key = ApiKey::generate().unwrap();
        for index in 0..TOTAL_LEN {
            let mut bytes = key.expose().as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                ApiKey::parse(&text).is_err(),
                "changed character {index} was accepted"
            );
        }
    }

    #[test]
    fn other_texts_are_refused_with_words() {
        let key = ApiKey::generate().unwrap();
        let upper = key.expose().to_ascii_uppercase();
        let long = format!("{}a", key.expose());
        let wide = format!("cm_{}", "é".repeat(33));
        for text in [
            "",
            "cm_",
            "Bearer x",
            &upper,
            &long,
            &wide,
            &"cm_a".repeat(17),
        ] {
            assert_eq!(ApiKey::parse(text).err(), Some(TokenError::Malformed));
        }
    }
}
