//! A certificate to be revoked.
//!
//! Invariant: names the certificate by its own bytes, so that no issuer has to be
//! asked which one is meant.

use certmill_domain::revocation::RevocationReason;

/// One revocation.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// The leaf in DER.
    pub certificate_der: Vec<u8>,
    /// Why.
    pub reason: RevocationReason,
}
