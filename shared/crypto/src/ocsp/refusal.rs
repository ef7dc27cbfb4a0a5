//! Answers without a signature (RFC 6960, section 4.2.1).

/// Why no signed answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request cannot be read.
    MalformedRequest,
    /// Something failed here.
    InternalError,
    /// Not just now.
    TryLater,
    /// Another responder's authority, or none (RFC 5019, section 2.2.3).
    Unauthorized,
}

impl Refusal {
    /// The whole answer in DER.
    #[must_use]
    pub fn der(self) -> &'static [u8] {
        match self {
            Self::MalformedRequest => &[0x30, 0x03, 0x0a, 0x01, 0x01],
            Self::InternalError => &[0x30, 0x03, 0x0a, 0x01, 0x02],
            Self::TryLater => &[0x30, 0x03, 0x0a, 0x01, 0x03],
            Self::Unauthorized => &[0x30, 0x03, 0x0a, 0x01, 0x06],
        }
    }
}
