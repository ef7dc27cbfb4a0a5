//! Why a chain is refused.
//!
//! Invariant: one stable code for each reason.

use time::OffsetDateTime;

use crate::keys::KeyError;

/// A refused chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Not certificates in PEM or DER.
    #[error("this is no bundle of X.509 certificates")]
    Malformed,
    /// More certificates than any real chain has.
    #[error("the chain has {count} certificates; at most 10 are accepted")]
    TooLong {
        /// How many came.
        count: usize,
    },
    /// Only CA certificates, or nothing.
    #[error("the chain has no end-entity certificate")]
    NoLeaf,
    /// More than one end-entity certificate.
    #[error("the chain has more than one end-entity certificate")]
    SeveralLeaves,
    /// A signature that does not verify, or an issuer that may not sign.
    #[error("certificate {place} of the chain is not validly signed by the next one")]
    BrokenLink {
        /// Its place, from 1 (the leaf).
        place: usize,
    },
    /// A certificate signed with SHA-1 or MD5.
    #[error("certificate {place} of the chain is signed with an outdated digest")]
    WeakSignature {
        /// Its place, from 1 (the leaf).
        place: usize,
    },
    /// A certificate that is no part of the leaf's path.
    #[error("the chain contains a certificate that does not belong to it")]
    Stray,
    /// The leaf alone, so that its signature cannot be verified.
    #[error("the chain lacks the certificate that signed the leaf")]
    Incomplete,
    /// The leaf's key is refused.
    #[error("the leaf's key: {0}")]
    Key(#[from] KeyError),
    /// The leaf's names cannot be read as DNS names and IP addresses.
    #[error("the leaf has no names, or names that are neither DNS names nor IP addresses")]
    Names,
    /// Issued for another key.
    #[error("the certificate is for another key than the one that was sent")]
    WrongKey,
    /// Issued for other names.
    #[error("the certificate is for other names ({issued}) than ordered ({ordered})")]
    WrongNames {
        /// What the certificate names.
        issued: String,
        /// What was ordered.
        ordered: String,
    },
    /// Issued with another serial number than planned.
    #[error("the certificate has another serial number than planned")]
    WrongSerial,
    /// Dates that are not those of the plan, or not around now.
    #[error(
        "the certificate's dates, {not_before} to {not_after}, are not usable or not as planned"
    )]
    WrongDates {
        /// Its start.
        not_before: OffsetDateTime,
        /// Its end.
        not_after: OffsetDateTime,
    },
    /// A CA certificate of the chain is not valid now.
    #[error("certificate {place} of the chain is not valid now")]
    Expired {
        /// Its place, from 1 (the leaf).
        place: usize,
    },
}

impl ChainError {
    /// A stable code for job rows and answers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed_chain",
            Self::TooLong { .. } => "chain_too_long",
            Self::NoLeaf => "chain_without_leaf",
            Self::SeveralLeaves => "chain_with_several_leaves",
            Self::BrokenLink { .. } => "chain_broken",
            Self::WeakSignature { .. } => "weak_signature",
            Self::Stray => "chain_with_stray",
            Self::Incomplete => "chain_incomplete",
            Self::Key(error) => error.code(),
            Self::Names => "issued_unreadable_names",
            Self::WrongKey => "issued_wrong_key",
            Self::WrongNames { .. } => "issued_wrong_names",
            Self::WrongSerial => "issued_wrong_serial",
            Self::WrongDates { .. } => "issued_wrong_dates",
            Self::Expired { .. } => "chain_expired",
        }
    }
}
