//! What others call an authority by: hashes of its name and key.
//!
//! Invariant: made from the certificate alone. Authorities that share name and key are one.

use aws_lc_rs::digest;
use x509_parser::certificate::X509Certificate;

use crate::ca::CaError;
use crate::chain::parse;
use crate::digest::sha256;

/// Hex digits of a label.
const LABEL_LEN: usize = 32;

/// An authority's hashes (RFC 6960, section 4.1.1) and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaIdentity {
    pub(crate) sha1: ([u8; 20], [u8; 20]),
    pub(crate) sha256: ([u8; 32], [u8; 32]),
    serial: Vec<u8>,
    label: String,
    signs_crls: bool,
}

impl CaIdentity {
    /// Reads an authority's certificate.
    ///
    /// # Errors
    /// [`CaError::MalformedIssuer`].
    pub fn of(certificate_der: &[u8]) -> Result<Self, CaError> {
        let certificate = parse(certificate_der).map_err(|_| CaError::MalformedIssuer)?;
        let name = certificate.subject().as_raw();
        // The bits of the key without tag, length and the count of unused bits.
        let key = certificate.public_key().subject_public_key.data.as_ref();
        let mut label = hex::encode(sha256(certificate.public_key().raw));
        label.truncate(LABEL_LEN);
        let serial = certificate.raw_serial();
        let zeros = serial.iter().take_while(|octet| **octet == 0).count();
        Ok(Self {
            sha1: (sha1(name), sha1(key)),
            sha256: (sha256(name), sha256(key)),
            serial: serial[zeros..].to_vec(),
            label,
            signs_crls: signs_crls(&certificate),
        })
    }

    /// Its part of addresses: 32 hexadecimal digits of the SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its own certificate's serial number, without leading zero octets.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Whether it may sign revocation lists (cRLSign: RFC 5280, section 4.2.1.3). One that may not
    /// publishes none; OCSP answers are signed by a responder and need nothing of it.
    #[must_use]
    pub fn signs_crls(&self) -> bool {
        self.signs_crls
    }
}

/// Without a key usage a key may be used for everything.
pub(crate) fn signs_crls(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.key_usage().ok().flatten();
    usage.is_none_or(|usage| usage.value.crl_sign())
}

/// SHA-1 (FIPS 180-4). It names keys in OCSP, where requests choose it; nothing is trusted by it.
pub(crate) fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut out = [0_u8; 20];
    out.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    out
}
