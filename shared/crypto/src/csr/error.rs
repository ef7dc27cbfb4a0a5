//! Why a request is refused: one stable code each.
//!
//! Invariant: no message quotes the input, which may hold a private key.

use certmill_domain::names::InvalidName;

use crate::keys::KeyError;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// A private key came instead of, or beside, a request.
    #[error(
        "a private key was sent in place of a certificate request; it was neither stored nor \
         logged, but it has left its host: make a new key and send its request"
    )]
    PrivateKeyReceived,
    /// More than one PEM block.
    #[error("exactly one PEM block is expected")]
    MultiplePemBlocks,
    /// Beyond [`super::SIZE_MAX`] or [`super::DER_SIZE_MAX`].
    #[error("the request is larger than 64 KiB in PEM or 44 KiB in DER")]
    TooLarge,
    /// No PEM or DER certificate request.
    #[error("this is no PKCS#10 certificate request in PEM or DER")]
    Malformed,
    /// Bytes after the request.
    #[error("there are bytes after the end of the request")]
    TrailingBytes,
    /// SHA-1, MD5 or older.
    #[error("the request is signed with an outdated digest; use SHA-256 or better")]
    WeakSignature,
    /// A signature algorithm that is not supported.
    #[error("the request's signature algorithm is not supported")]
    UnsupportedSignature,
    /// The signature does not verify under the request's key.
    #[error("the request's signature does not match its key")]
    BadSignature,
    /// The key is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A name is refused.
    #[error("the name at place {place} of the request: {source}")]
    Name {
        /// Its place in the list, from 1.
        place: usize,
        /// Why.
        source: InvalidName,
    },
    /// Too many names, or none in a list that is there.
    #[error(transparent)]
    Names(InvalidName),
    /// A DNS name that is an IP address, or ends in a dot.
    #[error(
        "the name at place {place} of the request is written as a DNS name but is an IP \
         address or ends in a dot"
    )]
    MisplacedName {
        /// Its place in the list, from 1.
        place: usize,
    },
    /// An e-mail address, URI or other kind of name.
    #[error("the name at place {place} of the request is neither a DNS name nor an IP address")]
    UnsupportedSan {
        /// Its place in the list, from 1.
        place: usize,
    },
    /// The common name is none of the subject alternative names.
    #[error("the common name must be one of the subject alternative names, or be left out")]
    CommonNameNotInSan,
    /// CA:TRUE.
    #[error("the request asks for a CA certificate; only end-entity certificates are issued")]
    CaRequested,
    /// The same extension, or the extension list, twice.
    #[error("the request carries an extension twice")]
    DuplicateExtension,
    /// A critical extension that cannot be honoured.
    #[error("the request carries a critical extension that is not supported")]
    UnknownCriticalExtension,
    /// Writing a request failed.
    #[error("the request could not be made")]
    Creation,
}

impl CsrError {
    /// A stable code for API answers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PrivateKeyReceived => "private_key_received",
            Self::MultiplePemBlocks => "multiple_pem_blocks",
            Self::TooLarge => "csr_too_large",
            Self::Malformed => "malformed_csr",
            Self::TrailingBytes => "trailing_bytes",
            Self::WeakSignature => "weak_signature",
            Self::UnsupportedSignature => "unsupported_signature",
            Self::BadSignature => "bad_signature",
            Self::Key(error) => error.code(),
            Self::Name { source, .. } | Self::Names(source) => source.code(),
            Self::MisplacedName { .. } => "misplaced_name",
            Self::UnsupportedSan { .. } => "unsupported_san",
            Self::CommonNameNotInSan => "cn_not_in_san",
            Self::CaRequested => "ca_requested",
            Self::DuplicateExtension => "duplicate_extension",
            Self::UnknownCriticalExtension => "unknown_critical_extension",
            Self::Creation => "csr_creation_failed",
        }
    }
}
