//! The dates and the key's hash of any certificate, whatever else is in it.
//!
//! Invariant: nothing here says that a certificate is good; it says which one it is.

use time::OffsetDateTime;

use crate::chain::ChainError;
use crate::chain::leaf::parse;
use crate::digest::sha256;

/// What tells one certificate from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its subject as one line.
    pub subject: String,
    /// First instant of validity.
    pub not_before: OffsetDateTime,
    /// Last instant of validity.
    pub not_after: OffsetDateTime,
    /// SHA-256 of its SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    pub spki_sha256: [u8; 32],
}

impl Outline {
    /// Reads a certificate in DER; its signature is not looked at.
    ///
    /// # Errors
    /// [`ChainError::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, ChainError> {
        let certificate = parse(der)?;
        Ok(Self {
            subject: certificate.subject().to_string(),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            spki_sha256: sha256(certificate.public_key().raw),
        })
    }
}
