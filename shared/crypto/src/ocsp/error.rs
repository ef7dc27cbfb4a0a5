//! Why there is no signed answer.

/// A request that cannot be read, or an answer that cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// Not an OCSP request in DER, or one that asks for nothing or too much.
    #[error("this is no OCSP request in DER")]
    Malformed,
    /// A nonce outside 1 to 128 octets (RFC 9654, section 2.1).
    #[error("the nonce must have 1 to 128 octets")]
    Nonce,
    /// A critical extension that is not known here.
    #[error("the request has a critical extension that is not known here")]
    CriticalExtension,
    /// The responder's key and certificate do not fit, or are of a kind that is not used here.
    #[error("the responder's key does not belong to its certificate")]
    Responder,
    /// Encoding or signing failed.
    #[error("the answer could not be signed")]
    Signing,
}
