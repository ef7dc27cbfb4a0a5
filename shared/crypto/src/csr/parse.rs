//! From bytes to a checked request.
//!
//! Invariant: the signature of a new request is verified before any name is looked at, and input
//! that looks like a private key is recognised before anything else is said of it.

use rustls_pki_types::PrivateKeyDer;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::error::X509Error;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::csr::{Csr, CsrError, DER_SIZE_MAX, SIZE_MAX, lengths, requested_names};
use crate::keys::PublicKey;
use crate::{pem, signature};

impl Csr {
    /// Reads a request in PEM (exactly one block) or DER, and checks it.
    ///
    /// # Errors
    /// [`CsrError`]; each reason has a stable code.
    pub fn parse(input: &[u8]) -> Result<Self, CsrError> {
        if input.len() > SIZE_MAX {
            return Err(CsrError::TooLarge);
        }
        let der = match std::str::from_utf8(input) {
            Ok(text) if text.contains("-----BEGIN ") => from_pem(text)?,
            _ => Zeroizing::new(input.to_vec()),
        };
        if PrivateKeyDer::try_from(der.as_slice()).is_ok() {
            return Err(CsrError::PrivateKeyReceived);
        }
        from_der(&der)
    }

    /// Reads a stored request (DER) that was checked by [`Self::parse`] when it was admitted. Its form
    /// is checked again, the signature is not: that the requester holds the key was proved once, and
    /// proving it takes longer than signing the certificate.
    ///
    /// # Errors
    /// As [`Self::parse`], [`CsrError::BadSignature`] left out.
    pub fn admitted(der: &[u8]) -> Result<Self, CsrError> {
        read(der, |_| Ok(()))
    }

    /// The request as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        super::to_pem(&self.der)
    }
}

fn from_pem(text: &str) -> Result<Zeroizing<Vec<u8>>, CsrError> {
    // By label first, since a damaged key is a leaked key as well.
    if pem::labels(text).any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(CsrError::PrivateKeyReceived);
    }
    let mut blocks = pem::decode(text).map_err(|_| CsrError::Malformed)?;
    let block = blocks.pop().ok_or(CsrError::Malformed)?;
    if !blocks.is_empty() {
        return Err(CsrError::MultiplePemBlocks);
    }
    match block.label.as_str() {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Ok(block.der),
        _ => Err(CsrError::Malformed),
    }
}

fn from_der(der: &[u8]) -> Result<Csr, CsrError> {
    read(der, |request| {
        // The parser takes any version; there is one (RFC 2986, section 4.1).
        let is_known = request.certification_request_info.version.0 == 0;
        if !is_known || !lengths::are_der(der) {
            return Err(CsrError::Malformed);
        }
        request.verify_signature().map_err(|error| match error {
            X509Error::SignatureUnsupportedAlgorithm => CsrError::UnsupportedSignature,
            _ => CsrError::BadSignature,
        })
    })
}

fn read(
    der: &[u8],
    prove: impl FnOnce(&X509CertificationRequest<'_>) -> Result<(), CsrError>,
) -> Result<Csr, CsrError> {
    if der.len() > DER_SIZE_MAX {
        return Err(CsrError::TooLarge);
    }
    // The parser lets the constructed bit of the outermost tag pass either way.
    if der.first() != Some(&0x30) {
        return Err(CsrError::Malformed);
    }
    let (rest, request) =
        X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
    if !rest.is_empty() {
        return Err(CsrError::TrailingBytes);
    }
    if signature::is_weak(&request.signature_algorithm) {
        return Err(CsrError::WeakSignature);
    }
    let spki = request.certification_request_info.subject_pki.raw;
    let public_key = PublicKey::from_spki_der(spki)?;
    prove(&request)?;
    let names = requested_names::read(&request)?;
    Ok(Csr {
        der: der.to_vec(),
        public_key,
        names,
    })
}
