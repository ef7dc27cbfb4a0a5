//! The delegated responder: its key, its certificate, its signature.
//!
//! Invariant: ECDSA with P-256 and SHA-256; the certificate goes with each answer, so that who has
//! the authority's certificate can verify it (RFC 6960, section 4.2.2.2).

use rcgen::SigningKey as _;
use time::OffsetDateTime;
use x509_cert::certificate::Certificate;
use x509_cert::der::asn1::{BitString, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{BasicOcspResponse, OcspResponse, ResponderId, ResponseData, Version};

use crate::ca::sha1;
use crate::chain::parse;
use crate::keys::PrivateKey;
use crate::ocsp::answer::instant;
use crate::ocsp::{Answer, OcspError};
use certmill_domain::key::KeyAlgorithm;

/// ecdsa-with-SHA256 (RFC 5758, section 3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// id-pkix-ocsp-nonce.
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");

/// A key that answers for an authority.
pub struct Responder {
    key: PrivateKey,
    certificate: Certificate,
    key_hash: [u8; 20],
    not_after: OffsetDateTime,
}

impl Responder {
    /// Joins a responder's certificate (DER) and its key.
    ///
    /// # Errors
    /// [`OcspError::Responder`].
    pub fn new(certificate_der: &[u8], key: PrivateKey) -> Result<Self, OcspError> {
        let parsed = parse(certificate_der).map_err(|_| OcspError::Responder)?;
        let is_own = parsed.public_key().raw == key.public_key().spki_der();
        if !is_own || key.algorithm() != KeyAlgorithm::EcdsaP256 {
            return Err(OcspError::Responder);
        }
        Ok(Self {
            key_hash: sha1(parsed.public_key().subject_public_key.data.as_ref()),
            not_after: parsed.validity().not_after.to_datetime(),
            certificate: Certificate::from_der(certificate_der)
                .map_err(|_| OcspError::Responder)?,
            key,
        })
    }

    /// When its certificate ends: no answer may be kept longer.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Signs an answer; the whole response in DER.
    ///
    /// # Errors
    /// [`OcspError::Signing`].
    pub fn sign(&self, answer: &Answer) -> Result<Vec<u8>, OcspError> {
        let tbs = ResponseData {
            version: Version::V1,
            responder_id: ResponderId::ByKey(octets(&self.key_hash)?),
            produced_at: instant(answer.this_update)?,
            responses: answer.singles()?,
            response_extensions: match &answer.nonce {
                Some(nonce) => Some(vec![repeated(nonce)?]),
                None => None,
            },
        };
        let failed = |_| OcspError::Signing;
        let signed = tbs.to_der().map_err(failed)?;
        let signature = self.key.sign(&signed).map_err(|_| OcspError::Signing)?;
        let basic = BasicOcspResponse {
            tbs_response_data: tbs,
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: ECDSA_WITH_SHA256,
                parameters: None,
            },
            signature: BitString::from_bytes(&signature).map_err(failed)?,
            certs: Some(vec![self.certificate.clone()]),
        };
        OcspResponse::successful(basic)
            .and_then(|response| response.to_der())
            .map_err(failed)
    }
}

fn octets(bytes: &[u8]) -> Result<OctetString, OcspError> {
    OctetString::new(bytes).map_err(|_| OcspError::Signing)
}

/// The nonce as an extension: an octet string within the octet string (RFC 9654, section 2.1).
fn repeated(nonce: &[u8]) -> Result<Extension, OcspError> {
    let inner = octets(nonce)?.to_der().map_err(|_| OcspError::Signing)?;
    Ok(Extension {
        extn_id: NONCE,
        critical: false,
        extn_value: octets(&inner)?,
    })
}
