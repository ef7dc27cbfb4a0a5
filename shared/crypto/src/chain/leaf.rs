//! What is read from an end-entity certificate, once, when it is stored.
//!
//! Invariant: names come from the subject alternative names alone.

use certmill_domain::names::{Names, San};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::chain::ChainError;
use crate::digest::{sha256, sha256_hex};
use crate::keys::PublicKey;
use crate::san::from_general_name;

/// The view of a leaf that rows and pages show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The serial number in lower-case hexadecimal, two digits an octet, without
    /// DER's sign octet and without leading zero octets.
    pub serial_hex: String,
    /// First instant of validity.
    pub not_before: OffsetDateTime,
    /// Last instant of validity.
    pub not_after: OffsetDateTime,
    /// SHA-256 of the whole certificate in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// Its names.
    pub names: Names,
    /// Its key.
    pub public_key: PublicKey,
}

impl Leaf {
    /// Reads a certificate in DER; its signature is not looked at.
    ///
    /// # Errors
    /// [`ChainError`]: malformed, weak key, or no readable names.
    pub fn from_der(der: &[u8]) -> Result<Self, ChainError> {
        let certificate = parse(der)?;
        let serial = certificate.raw_serial();
        let zeros = serial.iter().take_while(|octet| **octet == 0).count();
        Ok(Self {
            serial_hex: hex::encode(&serial[zeros..]),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            fingerprint_sha256: sha256_hex(der),
            names: names(&certificate)?,
            public_key: PublicKey::from_spki_der(certificate.public_key().raw)?,
        })
    }
}

/// SHA-256 of the bytes that were signed: equal for two certificates that differ in
/// their signatures only.
///
/// # Errors
/// [`ChainError::Malformed`].
pub fn signed_bytes_sha256(der: &[u8]) -> Result<[u8; 32], ChainError> {
    Ok(sha256(parse(der)?.tbs_certificate.as_ref()))
}

/// Whether subject and issuer are one, as in a root.
///
/// # Errors
/// [`ChainError::Malformed`].
pub fn is_self_issued(der: &[u8]) -> Result<bool, ChainError> {
    let certificate = parse(der)?;
    Ok(certificate.subject().as_raw() == certificate.issuer().as_raw())
}

/// Subject and serial number (hexadecimal) of a certificate, for people; empty where it cannot be
/// read.
#[must_use]
pub fn certificate_facts(der: &[u8]) -> (String, String) {
    parse(der).map_or_else(
        |_| (String::new(), String::new()),
        |one| (one.subject().to_string(), hex::encode(one.raw_serial())),
    )
}

/// Reads one certificate without anything after it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, ChainError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(ChainError::Malformed),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Result<Names, ChainError> {
    let list = certificate
        .subject_alternative_name()
        .map_err(|_| ChainError::Names)?;
    let list = list.ok_or(ChainError::Names)?;
    let sans = list.value.general_names.iter().map(from_general_name);
    let sans = sans
        .collect::<Result<Vec<San>, _>>()
        .map_err(|_| ChainError::Names)?;
    let names = Names::new(sans).map_err(|_| ChainError::Names)?;
    // Some clients still read the common name: it must not say more than the names do.
    let all_named = certificate.subject().iter_common_name().all(|attribute| {
        let named = attribute
            .as_str()
            .ok()
            .and_then(|text| text.parse::<San>().ok());
        named.is_some_and(|name| names.as_slice().contains(&name))
    });
    if all_named {
        Ok(names)
    } else {
        Err(ChainError::Names)
    }
}
