//! A checked public key as a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
//!
//! Invariant: strong enough, of a supported type, in its one DER form.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256,
};
use certmill_domain::key::KeyAlgorithm;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::digest::sha256;
use crate::keys::{KeyError, rsa_strength};

/// A public key that may be certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki_der: Vec<u8>,
    algorithm: KeyAlgorithm,
}

impl PublicKey {
    /// Reads and checks a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyError`] with a stable code for every reason to refuse it.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyError::Malformed)?;
        if !rest.is_empty() {
            return Err(KeyError::Malformed);
        }
        let algorithm = check(&spki)?;
        // The certificate is written from the parsed form; a key whose bytes would
        // come out differently is not the key that was proven.
        let rewritten = rcgen::SubjectPublicKeyInfo::from_der(der)
            .map(|key| rcgen::PublicKeyData::subject_public_key_info(&key))
            .map_err(|_| KeyError::Unsupported)?;
        if rewritten != der {
            return Err(KeyError::Malformed);
        }
        Ok(Self {
            spki_der: rewritten,
            algorithm,
        })
    }

    /// The SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// Type and strength.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.spki_der)
    }
}

fn check(spki: &SubjectPublicKeyInfo<'_>) -> Result<KeyAlgorithm, KeyError> {
    let bits: &[u8] = &spki.subject_public_key.data;
    if spki.subject_public_key.unused_bits != 0 {
        return Err(KeyError::Malformed);
    }
    let oid = &spki.algorithm.algorithm;
    if *oid == OID_KEY_TYPE_EC_PUBLIC_KEY {
        check_ec(&spki.algorithm, bits)
    } else if *oid == OID_SIG_ED25519 {
        ParsedPublicKey::new(&ED25519, bits).map_err(|_| KeyError::Malformed)?;
        Ok(KeyAlgorithm::Ed25519)
    } else if *oid == OID_PKCS1_RSAENCRYPTION {
        let (rest, key) = RSAPublicKey::from_der(bits).map_err(|_| KeyError::Malformed)?;
        if !rest.is_empty() {
            return Err(KeyError::Malformed);
        }
        let class = rsa_strength::check(key.modulus, key.exponent)?;
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bits).map_err(|_| KeyError::Malformed)?;
        Ok(class)
    } else {
        Err(KeyError::Unsupported)
    }
}

fn check_ec(algorithm: &AlgorithmIdentifier<'_>, point: &[u8]) -> Result<KeyAlgorithm, KeyError> {
    // Explicit curve parameters are no OID: a forged curve never gets further.
    let curve = algorithm
        .parameters
        .as_ref()
        .and_then(|any| any.as_oid().ok());
    let curve = curve.ok_or(KeyError::Curve)?;
    if point.first() != Some(&4) {
        return Err(KeyError::Curve);
    }
    if curve == OID_EC_P256 {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).map_err(|_| KeyError::Malformed)?;
        Ok(KeyAlgorithm::EcdsaP256)
    } else if curve == OID_NIST_EC_P384 {
        ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point).map_err(|_| KeyError::Malformed)?;
        Ok(KeyAlgorithm::EcdsaP384)
    } else {
        Err(KeyError::Curve)
    }
}
