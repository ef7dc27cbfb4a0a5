//! A certificate to be revoked.
//!
//! Invariant: names the certificate by its own bytes, so that no issuer has to be
//! asked which one is meant.

/// Why a certificate is revoked (RFC 5280, section 5.3.1; the reasons that public
/// CAs accept from a subscriber).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// None is given.
    Unspecified,
    /// The private key is known to others.
    KeyCompromise,
    /// A newer certificate took its place.
    Superseded,
    /// The service is gone.
    CessationOfOperation,
}

/// One revocation.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// The leaf in DER.
    pub certificate_der: Vec<u8>,
    /// Why.
    pub reason: RevocationReason,
}
