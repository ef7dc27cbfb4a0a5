//! An authority that was made elsewhere: its certificate, everything above it up to the root, and
//! its key, all checked before anything is stored.
//!
//! Invariant: what passes can issue: each certificate is signed by the next, may sign CAs or leaves
//! at its place, is valid now, and the key belongs to the lowest one.

use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{FromDer, ParsedExtension};

use crate::ca::HierarchyError;
use crate::ca::identity::signs_crls;
use crate::digest::sha256_hex;
use crate::keys::{PrivateKey, PublicKey};
use crate::{pem, signature};

/// More certificates than any real hierarchy has.
const LEN_MAX: usize = 10;

/// A checked hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    ders: Vec<Vec<u8>>,
    not_after: OffsetDateTime,
    signs_crls: bool,
}

impl Hierarchy {
    /// Reads the certificates of a PEM bundle, in any order.
    ///
    /// # Errors
    /// [`HierarchyError`] for anything else than certificates.
    pub fn read_bundle(text: &str) -> Result<Vec<Vec<u8>>, HierarchyError> {
        let labels: Vec<&str> = pem::labels(text).collect();
        if labels.is_empty() {
            return Err(HierarchyError::NoPem);
        }
        if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
            return Err(HierarchyError::KeyInBundle);
        }
        if let Some(other) = labels.iter().find(|label| **label != "CERTIFICATE") {
            return Err(HierarchyError::OtherBlock {
                label: other.chars().take(40).collect(),
            });
        }
        let blocks = pem::decode(text).map_err(|_| HierarchyError::BrokenPem)?;
        Ok(blocks.iter().map(|block| block.der.to_vec()).collect())
    }

    /// Puts the certificates above the one of `key` in order up to the root, and checks them all.
    ///
    /// # Errors
    /// [`HierarchyError`] with the first fault.
    pub fn check(
        mut ders: Vec<Vec<u8>>,
        key: &PrivateKey,
        now: OffsetDateTime,
    ) -> Result<Self, HierarchyError> {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        ders.retain(|der| {
            let is_new = !seen.contains(der);
            seen.push(der.clone());
            is_new
        });
        if ders.len() > LEN_MAX {
            return Err(HierarchyError::TooLong { count: ders.len() });
        }
        let parsed = parse_all(&ders)?;
        let path = order(&parsed, key.public_key())?;
        for (height, index) in path.iter().enumerate() {
            check_one(&parsed[*index], height, now)?;
        }
        let in_path = path.iter().map(|index| &parsed[*index]);
        let end = in_path.map(|one| one.validity().not_after.to_datetime());
        let lowest = path.first().map(|index| &parsed[*index]);
        Ok(Self {
            not_after: end.min().unwrap_or(now),
            signs_crls: lowest.is_some_and(|one| signs_crls(one)),
            ders: path.iter().map(|index| ders[*index].clone()).collect(),
        })
    }

    /// The certificate of the key, in DER.
    #[must_use]
    pub fn issuing_der(&self) -> &[u8] {
        self.ders.first().map_or(&[], Vec::as_slice)
    }

    /// What stands above it, the root last.
    #[must_use]
    pub fn above(&self) -> &[Vec<u8>] {
        self.ders.get(1..).unwrap_or_default()
    }

    /// The earliest end of all of them: nothing below may last longer.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Whether the lowest one may sign revocation lists.
    #[must_use]
    pub fn signs_crls(&self) -> bool {
        self.signs_crls
    }
}

fn parse_all(ders: &[Vec<u8>]) -> Result<Vec<X509Certificate<'_>>, HierarchyError> {
    let parsed = ders
        .iter()
        .enumerate()
        .map(|(index, der)| match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Ok(certificate),
            _ => Err(HierarchyError::Malformed { place: index + 1 }),
        });
    parsed.collect()
}

/// The places of the certificates from the key's own one up to the root.
fn order(parsed: &[X509Certificate<'_>], key: &PublicKey) -> Result<Vec<usize>, HierarchyError> {
    let own = |one: &X509Certificate<'_>| one.public_key().raw == key.spki_der();
    let lowest = parsed
        .iter()
        .position(own)
        .ok_or_else(|| mismatch(parsed, key))?;
    let mut path = vec![lowest];
    loop {
        let child = &parsed[path[path.len() - 1]];
        if is_self_issued(child) {
            break;
        }
        let next = parent(parsed, child)?;
        if path.contains(&next) {
            return Err(HierarchyError::RootMissing {
                issuer: child.issuer().to_string(),
            });
        }
        path.push(next);
    }
    match (0..parsed.len()).find(|index| !path.contains(index)) {
        Some(stray) => Err(HierarchyError::Stray {
            subject: subject(&parsed[stray]),
        }),
        None => Ok(path),
    }
}

fn mismatch(parsed: &[X509Certificate<'_>], key: &PublicKey) -> HierarchyError {
    let spki = |one: &X509Certificate<'_>| sha256_hex(one.public_key().raw);
    HierarchyError::KeyMismatch {
        key: sha256_hex(key.spki_der()),
        certificates: parsed
            .iter()
            .map(|one| format!("{} has {}", subject(one), spki(one)))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn parent(
    parsed: &[X509Certificate<'_>],
    child: &X509Certificate<'_>,
) -> Result<usize, HierarchyError> {
    let named: Vec<usize> = (0..parsed.len())
        .filter(|index| parsed[*index].subject().as_raw() == child.issuer().as_raw())
        .collect();
    if named.is_empty() {
        return Err(HierarchyError::RootMissing {
            issuer: child.issuer().to_string(),
        });
    }
    if signature::is_weak(&child.signature_algorithm) {
        return Err(HierarchyError::WeakSignature {
            subject: subject(child),
        });
    }
    let signed = |parent: &X509Certificate<'_>| {
        child.signature_algorithm == child.tbs_certificate.signature
            && child.verify_signature(Some(parent.public_key())).is_ok()
    };
    let found = named.into_iter().find(|index| signed(&parsed[*index]));
    let found = found.ok_or_else(|| HierarchyError::BrokenLink {
        subject: subject(child),
        issuer: child.issuer().to_string(),
    })?;
    match (authority_key_id(child), subject_key_id(&parsed[found])) {
        (Some(wanted), Some(is)) if wanted != is => Err(HierarchyError::KeyId {
            subject: subject(child),
            issuer: child.issuer().to_string(),
        }),
        _ => Ok(found),
    }
}

/// What each certificate must be at its height: 0 signs leaves, 1 signs that one, and so on.
fn check_one(
    certificate: &X509Certificate<'_>,
    height: usize,
    now: OffsetDateTime,
) -> Result<(), HierarchyError> {
    let subject = subject(certificate);
    let malformed = |_| HierarchyError::Malformed { place: height + 1 };
    let basic = certificate.basic_constraints().map_err(malformed)?;
    let usage = certificate.key_usage().map_err(malformed)?;
    let is_root = is_self_issued(certificate);
    if is_root
        && certificate.verify_signature(None).is_err()
        && !signature::is_weak(&certificate.signature_algorithm)
    {
        return Err(HierarchyError::BrokenLink {
            issuer: subject.clone(),
            subject,
        });
    }
    if !basic.as_ref().is_some_and(|found| found.value.ca) {
        return Err(HierarchyError::NotACa {
            subject,
            lacks: "CA:TRUE",
        });
    }
    // Old roots come without a key usage, which then allows everything (RFC 5280, 4.2.1.3).
    if !usage.map_or(is_root, |found| found.value.key_cert_sign()) {
        return Err(HierarchyError::NotACa {
            subject,
            lacks: "keyCertSign",
        });
    }
    let limit = basic.and_then(|found| found.value.path_len_constraint);
    if let Some(limit) = limit.filter(|limit| (*limit as usize) < height) {
        return Err(HierarchyError::PathLength {
            subject,
            limit,
            below: height,
        });
    }
    PublicKey::from_spki_der(certificate.public_key().raw).map_err(|source| {
        HierarchyError::WeakKey {
            subject: subject.clone(),
            source,
        }
    })?;
    check_purpose(certificate, &subject)?;
    let validity = certificate.validity();
    let (from, to) = (
        validity.not_before.to_datetime(),
        validity.not_after.to_datetime(),
    );
    if to <= now {
        return Err(HierarchyError::Expired { subject, at: to });
    }
    if from > now {
        return Err(HierarchyError::NotYetValid { subject, at: from });
    }
    Ok(())
}

/// Extended key usages above a leaf limit it, and a critical extension that nobody here reads might.
fn check_purpose(certificate: &X509Certificate<'_>, subject: &str) -> Result<(), HierarchyError> {
    let usages = certificate.extended_key_usage().ok().flatten();
    if usages.is_some_and(|found| !found.value.server_auth && !found.value.any) {
        return Err(HierarchyError::Purpose {
            subject: subject.to_owned(),
        });
    }
    let unread = certificate.extensions().iter().find(|one| {
        one.critical
            && matches!(
                one.parsed_extension(),
                ParsedExtension::UnsupportedExtension { .. }
            )
    });
    match unread {
        Some(extension) => Err(HierarchyError::CriticalExtension {
            subject: subject.to_owned(),
            oid: extension.oid.to_id_string(),
        }),
        None => Ok(()),
    }
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

fn subject(certificate: &X509Certificate<'_>) -> String {
    certificate.subject().to_string()
}

fn subject_key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate
        .extensions()
        .iter()
        .find_map(|one| match one.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
}

fn authority_key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate
        .extensions()
        .iter()
        .find_map(|one| match one.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                id.key_identifier.as_ref().map(|id| id.0)
            }
            _ => None,
        })
}
