//! Why an authority from elsewhere is refused.
//!
//! Invariant: one stable code for each reason; messages name certificates by their subjects and keys
//! by their hashes, never key bytes.

use time::OffsetDateTime;

use crate::keys::KeyError;

/// A refused hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HierarchyError {
    /// No PEM at all.
    #[error("there is no PEM block in it; convert DER by `openssl x509 -inform der`")]
    NoPem,
    /// A PEM block that does not end or is no base 64.
    #[error("a PEM block in it is cut off or damaged")]
    BrokenPem,
    /// A private key among the certificates.
    #[error(
        "it holds a private key; a chain file holds certificates only, the key has its own file"
    )]
    KeyInBundle,
    /// Another kind of block.
    #[error("it holds a block of the kind {label}; a chain file holds certificates only")]
    OtherBlock {
        /// Its label.
        label: String,
    },
    /// No certificate in DER.
    #[error(
        "certificate {place} is no X.509 certificate, or holds an extension that cannot be read"
    )]
    Malformed {
        /// Its place, from 1.
        place: usize,
    },
    /// Too many certificates.
    #[error("{count} certificates were given; at most 10 are accepted")]
    TooLong {
        /// How many came.
        count: usize,
    },
    /// The key belongs to none of the certificates.
    #[error(
        "the key belongs to none of the certificates: its SubjectPublicKeyInfo has the SHA-256 {key}, \
         but {certificates}"
    )]
    KeyMismatch {
        /// SHA-256 of the key's SubjectPublicKeyInfo.
        key: String,
        /// Those of the certificates.
        certificates: String,
    },
    /// The certificates end below a root.
    #[error("the certificate of {issuer} is missing; give the whole chain with its root")]
    RootMissing {
        /// Who is named as the issuer but was not given.
        issuer: String,
    },
    /// A signature that does not verify.
    #[error("{subject} names {issuer} as its issuer, but is not signed by that certificate's key")]
    BrokenLink {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// Key identifiers that do not agree.
    #[error(
        "the authority key identifier of {subject} is not the subject key identifier of {issuer}"
    )]
    KeyId {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// A certificate outside the path.
    #[error("{subject} does not stand above the key's certificate; leave it out")]
    Stray {
        /// The certificate.
        subject: String,
    },
    /// Signed with SHA-1 or MD5.
    #[error("{subject} is signed with an outdated digest")]
    WeakSignature {
        /// The certificate.
        subject: String,
    },
    /// A weak or unsupported key.
    #[error("{subject}: {source}")]
    WeakKey {
        /// The certificate.
        subject: String,
        /// What is wrong with its key.
        source: KeyError,
    },
    /// No CA certificate.
    #[error("{subject} may not sign certificates: it lacks {lacks}")]
    NotACa {
        /// The certificate.
        subject: String,
        /// What it lacks.
        lacks: &'static str,
    },
    /// A path length constraint that forbids what stands below.
    #[error("{subject} allows {limit} CAs below it, and {below} stand there")]
    PathLength {
        /// The certificate.
        subject: String,
        /// Its constraint.
        limit: u32,
        /// How many CAs stand below it.
        below: usize,
    },
    /// Not for TLS servers.
    #[error(
        "{subject} may not be above certificates of TLS servers: its extended key usages lack it"
    )]
    Purpose {
        /// The certificate.
        subject: String,
    },
    /// A critical extension that is not understood here.
    #[error("{subject} has a critical extension that is not known here ({oid})")]
    CriticalExtension {
        /// The certificate.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// Ended.
    #[error("{subject} has ended at {at}")]
    Expired {
        /// The certificate.
        subject: String,
        /// Its end.
        at: OffsetDateTime,
    },
    /// Not begun.
    #[error("{subject} is not valid before {at}")]
    NotYetValid {
        /// The certificate.
        subject: String,
        /// Its start.
        at: OffsetDateTime,
    },
}

impl HierarchyError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPem => "ca_no_pem",
            Self::BrokenPem => "ca_broken_pem",
            Self::KeyInBundle => "ca_key_in_chain",
            Self::OtherBlock { .. } => "ca_other_block",
            Self::Malformed { .. } => "ca_malformed",
            Self::TooLong { .. } => "ca_chain_too_long",
            Self::KeyMismatch { .. } => "ca_key_mismatch",
            Self::RootMissing { .. } => "ca_root_missing",
            Self::BrokenLink { .. } => "ca_chain_broken",
            Self::KeyId { .. } => "ca_key_id_mismatch",
            Self::Stray { .. } => "ca_stray",
            Self::WeakSignature { .. } => "ca_weak_signature",
            Self::WeakKey { .. } => "ca_weak_key",
            Self::NotACa { .. } => "ca_not_a_ca",
            Self::PathLength { .. } => "ca_path_length",
            Self::Purpose { .. } => "ca_purpose",
            Self::CriticalExtension { .. } => "ca_critical_extension",
            Self::Expired { .. } => "ca_expired",
            Self::NotYetValid { .. } => "ca_not_yet_valid",
        }
    }
}
