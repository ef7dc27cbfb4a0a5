//! Why a key is refused.
//!
//! Invariant: messages say what is wrong and what is accepted, never key bytes.

/// A key that certmill does not work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no key of the stated type, or the point is not on its curve.
    #[error("the key is malformed")]
    Malformed,
    /// A type, curve or form that is not supported.
    #[error(
        "keys of this type are not supported; use ECDSA P-256 or P-384 (named curve, \
         uncompressed), Ed25519, or RSA with 2048 to 8192 bits"
    )]
    Unsupported,
    /// An elliptic curve that is not supported, explicit parameters, or a compressed point.
    #[error("the curve or its form is not supported; use P-256 or P-384 by name, uncompressed")]
    Curve,
    /// An encrypted private key.
    #[error("the private key is encrypted; decrypt it first")]
    Encrypted,
    /// RSA below 2048 bits.
    #[error("the RSA modulus has {bits} bits; at least 2048 are needed")]
    TooShort {
        /// Bits of the modulus.
        bits: u64,
    },
    /// RSA above 8192 bits.
    #[error("the RSA modulus has {bits} bits; at most 8192 are accepted")]
    TooLong {
        /// Bits of the modulus.
        bits: u64,
    },
    /// An RSA exponent that is even, below 65537 or above 2^64.
    #[error("the RSA exponent must be odd and between 65537 and 2^64")]
    Exponent,
    /// The RSA modulus has a small factor.
    #[error("the RSA modulus has a small factor")]
    SmallFactor,
    /// The RSA primes are so close that Fermat's method finds them.
    #[error("the RSA primes are too close to each other")]
    ClosePrimes,
    /// Made by the faulty generator of CVE-2017-15361.
    #[error("the RSA key comes from the faulty generator of CVE-2017-15361 (ROCA)")]
    Roca,
    /// The generator or the library failed.
    #[error("the cryptographic library could not make the key")]
    Generation,
}

impl KeyError {
    /// A stable code for API answers and job rows.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_key",
            Self::Unsupported => "unsupported_key",
            Self::Curve => "unsupported_curve",
            Self::TooLong { .. } => "key_too_long",
            Self::Encrypted => "encrypted_key",
            Self::TooShort { .. } => "weak_key",
            Self::Exponent => "weak_key_exponent",
            Self::SmallFactor => "weak_key_small_factor",
            Self::ClosePrimes => "weak_key_close_primes",
            Self::Roca => "weak_key_roca",
            Self::Generation => "key_generation_failed",
        }
    }
}
