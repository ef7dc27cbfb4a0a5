//! Why the local CA does not sign.
//!
//! Invariant: every refusal happens before the signature, and has a stable code.

use time::OffsetDateTime;

/// A refused or failed signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaError {
    /// The issuing certificate is unreadable.
    #[error("the issuing certificate is no X.509 certificate in DER")]
    MalformedIssuer,
    /// The issuing certificate may not sign certificates.
    #[error("the issuing certificate is no CA: it needs CA:TRUE, keyCertSign and a subject")]
    NotACa,
    /// The issuing certificate may not sign CRLs.
    #[error("the issuing certificate may not sign CRLs: its key usage has no cRLSign")]
    NoCrlSign,
    /// The key is not that of the issuing certificate.
    #[error("the CA key does not belong to the issuing certificate")]
    KeyMismatch,
    /// not_after is not later than not_before.
    #[error("the validity ends at {not_after}, before it starts at {not_before}")]
    EmptyValidity {
        /// Planned start.
        not_before: OffsetDateTime,
        /// Planned end.
        not_after: OffsetDateTime,
    },
    /// The certificate would be valid longer than its issuer.
    #[error(
        "not_after {not_after} is later than {issuer_not_after}, when the issuing CA or one above it ends"
    )]
    OutlivesIssuer {
        /// Planned end.
        not_after: OffsetDateTime,
        /// End of the issuing certificate.
        issuer_not_after: OffsetDateTime,
    },
    /// The issuing CA, or one above it, may not have CAs below it, or not that many.
    #[error("the path length of the issuing CA, or of one above it, does not allow this")]
    PathLength,
    /// A name outside the issuing CA's name constraints.
    #[error("{name} is outside the name constraints of the issuing CA or of one above it")]
    NameConstraint {
        /// The refused name.
        name: String,
    },
    /// The issuing CA has constraints of a kind that cannot be checked here.
    #[error("the issuing CA has name constraints that this program cannot read")]
    UnsupportedConstraint,
    /// A leaf without a purpose.
    #[error("a certificate needs at least one purpose, such as server authentication")]
    NoPurpose,
    /// The subject of the issuing certificate has a form that cannot be repeated exactly.
    #[error(
        "the subject of the issuing CA has repeated or unusual attributes that cannot be \
         repeated exactly in the certificates below it"
    )]
    SubjectForm,
    /// The library failed to sign.
    #[error("signing failed in the cryptographic library")]
    Signing,
}

impl CaError {
    /// A stable code for job rows and answers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedIssuer => "ca_malformed",
            Self::NotACa => "ca_not_a_ca",
            Self::NoCrlSign => "ca_no_crl_sign",
            Self::KeyMismatch => "ca_key_mismatch",
            Self::EmptyValidity { .. } => "validity_empty",
            Self::OutlivesIssuer { .. } => "outlives_issuer",
            Self::PathLength => "path_length",
            Self::NameConstraint { .. } => "name_constraint",
            Self::UnsupportedConstraint => "unsupported_constraint",
            Self::NoPurpose => "no_purpose",
            Self::SubjectForm => "ca_subject_form",
            Self::Signing => "signing_failed",
        }
    }
}
