//! Key algorithms that certmill issues for, by the names that profiles use.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A subject key's algorithm and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&str", try_from = "String")]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256 (RFC 5480).
    EcdsaP256,
    /// ECDSA on NIST P-384 (RFC 5480).
    EcdsaP384,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// RSA with a modulus of 2048 to 3071 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 to 4095 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits or more.
    Rsa4096,
}

/// A text that names no key algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown key algorithm; known are {}", KeyAlgorithm::ALL.map(KeyAlgorithm::as_str).join(", "))]
pub struct UnknownKeyAlgorithm;

impl KeyAlgorithm {
    /// All of them, weakest use first within a family.
    pub const ALL: [Self; 6] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// The name in profiles, rows and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
        }
    }

    /// The class of an RSA modulus, or `None` under 2048 bits.
    #[must_use]
    pub fn of_rsa_bits(bits: usize) -> Option<Self> {
        match bits {
            ..2048 => None,
            2048..3072 => Some(Self::Rsa2048),
            3072..4096 => Some(Self::Rsa3072),
            4096.. => Some(Self::Rsa4096),
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownKeyAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownKeyAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(UnknownKeyAlgorithm)
    }
}

impl From<KeyAlgorithm> for &'static str {
    fn from(algorithm: KeyAlgorithm) -> Self {
        algorithm.as_str()
    }
}

impl TryFrom<String> for KeyAlgorithm {
    type Error = UnknownKeyAlgorithm;

    fn try_from(text: String) -> Result<Self, UnknownKeyAlgorithm> {
        text.parse()
    }
}
