//! A request as it came (RFC 6960, section 4.1).
//!
//! Invariant: bounded in everything: how many certificates it asks for, how long its nonce is.

use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extensions;
use x509_ocsp::OcspRequest;

use crate::ca::CaIdentity;
use crate::ocsp::OcspError;

/// Most certificates that one request may ask for.
const IDS_MAX: usize = 16;
/// id-pkix-ocsp-nonce.
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
const SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// A certificate that is asked for. It is answered under the very bytes of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertId(pub(super) x509_ocsp::CertId);

impl CertId {
    /// Whether this authority is meant as the issuer; hashes other than SHA-1 and SHA-256 mean none.
    #[must_use]
    pub fn means(&self, issuer: &CaIdentity) -> bool {
        let name = self.0.issuer_name_hash.as_bytes();
        let key = self.0.issuer_key_hash.as_bytes();
        match self.0.hash_algorithm.oid {
            SHA_1 => name == issuer.sha1.0 && key == issuer.sha1.1,
            SHA_256 => name == issuer.sha256.0 && key == issuer.sha256.1,
            _ => false,
        }
    }

    /// The serial number without leading zero octets.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        let octets = self.0.serial_number.as_bytes();
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        &octets[zeros..]
    }

    /// Its bytes, as a key of caches.
    ///
    /// # Errors
    /// [`OcspError::Malformed`].
    pub fn der(&self) -> Result<Vec<u8>, OcspError> {
        self.0.to_der().map_err(|_| OcspError::Malformed)
    }
}

/// A request that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for, at least one.
    pub ids: Vec<CertId>,
    /// To be repeated in the answer.
    pub nonce: Option<Vec<u8>>,
}

impl Request {
    /// Reads a request in DER. A signature on it is not looked at: anybody may ask.
    ///
    /// # Errors
    /// [`OcspError`].
    pub fn parse(der: &[u8]) -> Result<Self, OcspError> {
        let request = OcspRequest::from_der(der).map_err(|_| OcspError::Malformed)?;
        let list = request.tbs_request.request_list;
        if list.is_empty() || list.len() > IDS_MAX {
            return Err(OcspError::Malformed);
        }
        let nonce = nonce(request.tbs_request.request_extensions.as_ref())?;
        let mut ids = Vec::with_capacity(list.len());
        for one in list {
            refuse_critical(one.single_request_extensions.as_ref())?;
            ids.push(CertId(one.req_cert));
        }
        Ok(Self { ids, nonce })
    }
}

fn nonce(extensions: Option<&Extensions>) -> Result<Option<Vec<u8>>, OcspError> {
    let mut found = None;
    for one in extensions.into_iter().flatten() {
        if one.extn_id != NONCE {
            if one.critical {
                return Err(OcspError::CriticalExtension);
            }
            continue;
        }
        let octets =
            OctetString::from_der(one.extn_value.as_bytes()).map_err(|_| OcspError::Nonce)?;
        if found.is_some() || !(1..=128).contains(&octets.as_bytes().len()) {
            return Err(OcspError::Nonce);
        }
        found = Some(octets.into_bytes());
    }
    Ok(found)
}

fn refuse_critical(extensions: Option<&Extensions>) -> Result<(), OcspError> {
    if extensions.into_iter().flatten().any(|one| one.critical) {
        return Err(OcspError::CriticalExtension);
    }
    Ok(())
}
