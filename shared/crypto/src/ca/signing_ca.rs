//! An issuing certificate together with its key, ready to sign.
//!
//! Invariant: certificate and key belong together, the certificate is a CA, and
//! nothing that it signs outlives it, or leaves its constraints or those of a CA above it.

use certmill_domain::names::Names;
use certmill_domain::validity::Validity;
use rcgen::{CertificateParams, Issuer, KeyIdMethod, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::ca::constraints::Constraints;
use crate::ca::{CaError, CaPlan, CrlPlan, LeafPlan, ResponderPlan};
use crate::keys::{PrivateKey, PublicKey};

/// A CA that signs.
pub struct SigningCa {
    issuer: Issuer<'static, PrivateKey>,
    subject_der: Vec<u8>,
    key_identifier: KeyIdMethod,
    not_after: OffsetDateTime,
    path_len: Option<u32>,
    constraints: Vec<Constraints>,
}

impl SigningCa {
    /// Joins an issuing certificate (DER) and its key.
    ///
    /// # Errors
    /// [`CaError`]: unreadable, no CA, or a key that is not its own.
    pub fn new(certificate_der: &[u8], key: PrivateKey) -> Result<Self, CaError> {
        Self::below(certificate_der, &[], key)
    }

    /// Joins an issuing certificate and its key below the CAs `above` it (DER, the next one first),
    /// whose ends, path lengths and name constraints count as well.
    ///
    /// # Errors
    /// [`CaError`]: as [`Self::new`]; a path length above that allows no leaf here.
    pub fn below(
        certificate_der: &[u8],
        above: &[Vec<u8>],
        key: PrivateKey,
    ) -> Result<Self, CaError> {
        let certificate = parse(certificate_der)?;
        let basic = certificate
            .basic_constraints()
            .map_err(|_| CaError::MalformedIssuer)?;
        let usage = certificate
            .key_usage()
            .map_err(|_| CaError::MalformedIssuer)?;
        let is_ca = basic.as_ref().is_some_and(|found| found.value.ca);
        let may_sign = usage.is_some_and(|found| found.value.key_cert_sign());
        if !is_ca || !may_sign || certificate.subject().iter().next().is_none() {
            return Err(CaError::NotACa);
        }
        if certificate.public_key().raw != key.public_key().spki_der() {
            return Err(CaError::KeyMismatch);
        }
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(certificate_der), key)
            .map_err(|_| CaError::SubjectForm)?;
        let mut ca = Self {
            issuer,
            subject_der: certificate.subject().as_raw().to_vec(),
            key_identifier: key_identifier(&certificate),
            not_after: certificate.validity().not_after.to_datetime(),
            path_len: basic.and_then(|found| found.value.path_len_constraint),
            constraints: vec![Constraints::read(&certificate)?],
        };
        for (der, cas_between) in above.iter().zip(1_u32..) {
            ca.stand_below(&parse(der)?, cas_between)?;
        }
        Ok(ca)
    }

    /// Narrows this CA by one that has `cas_between` CAs below it, this one among them.
    fn stand_below(
        &mut self,
        above: &X509Certificate<'_>,
        cas_between: u32,
    ) -> Result<(), CaError> {
        let basic = above
            .basic_constraints()
            .map_err(|_| CaError::MalformedIssuer)?;
        if let Some(limit) = basic.and_then(|found| found.value.path_len_constraint) {
            let left = limit.checked_sub(cas_between).ok_or(CaError::PathLength)?;
            self.path_len = Some(self.path_len.map_or(left, |own| own.min(left)));
        }
        self.not_after = self.not_after.min(above.validity().not_after.to_datetime());
        self.constraints.push(Constraints::read(above)?);
        Ok(())
    }

    /// When the issuing certificate or one above it ends: the latest `not_after` of anything below.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Signs a leaf. The same plan gives the same to-be-signed bytes; an ECDSA
    /// signature over them differs each time.
    ///
    /// # Errors
    /// [`CaError`], before anything is signed. A leaf that would outlive this CA is
    /// refused, not shortened: dates are planned, and a plan is never altered here.
    pub fn sign_leaf(&self, plan: &LeafPlan) -> Result<Vec<u8>, CaError> {
        let params = plan.params()?;
        self.check_end(&plan.validity)?;
        self.admit(&plan.names)?;
        self.sign(&params, &plan.public_key)
    }

    /// Signs a CA below this one.
    ///
    /// # Errors
    /// [`CaError`], before anything is signed.
    pub fn sign_ca(&self, plan: &CaPlan, public_key: &PublicKey) -> Result<Vec<u8>, CaError> {
        let params = plan.params()?;
        self.check_end(&plan.validity)?;
        if self
            .path_len
            .is_some_and(|limit| u32::from(plan.path_len) >= limit)
        {
            return Err(CaError::PathLength);
        }
        self.sign(&params, public_key)
    }

    /// Whether the name constraints of this CA and of those above it allow these names.
    ///
    /// # Errors
    /// [`CaError::NameConstraint`] with the first name outside.
    pub fn admit(&self, names: &Names) -> Result<(), CaError> {
        self.constraints
            .iter()
            .try_for_each(|constraints| constraints.admit(names))
    }

    /// Whether any of them has a name constraint.
    #[must_use]
    pub fn is_constrained(&self) -> bool {
        self.constraints
            .iter()
            .any(|constraints| *constraints != Constraints::default())
    }

    /// Signs the certificate of an OCSP responder for this CA.
    ///
    /// # Errors
    /// [`CaError`], before anything is signed.
    pub fn sign_responder(&self, plan: &ResponderPlan) -> Result<Vec<u8>, CaError> {
        let params = plan.params()?;
        self.check_end(&plan.validity)?;
        self.sign(&params, &plan.public_key)
    }

    /// Signs a list of revoked certificates.
    ///
    /// # Errors
    /// [`CaError`]: this CA may not sign lists, or its subject cannot be repeated exactly.
    pub fn sign_crl(&self, plan: &CrlPlan) -> Result<Vec<u8>, CaError> {
        let params = plan.params(&self.key_identifier);
        let signed = params.signed_by(&self.issuer).map_err(|why| match why {
            rcgen::Error::IssuerNotCrlSigner => CaError::NoCrlSign,
            _ => CaError::Signing,
        })?;
        let der = signed.der().to_vec();
        match CertificateRevocationList::from_der(&der) {
            Ok(([], list)) if list.issuer().as_raw() == self.subject_der => {}
            Ok(_) => return Err(CaError::SubjectForm),
            Err(_) => return Err(CaError::Signing),
        }
        Ok(der)
    }

    fn check_end(&self, validity: &Validity) -> Result<(), CaError> {
        if validity.not_after > self.not_after {
            return Err(CaError::OutlivesIssuer {
                not_after: validity.not_after,
                issuer_not_after: self.not_after,
            });
        }
        Ok(())
    }

    fn sign(&self, params: &CertificateParams, key: &PublicKey) -> Result<Vec<u8>, CaError> {
        let key = SubjectPublicKeyInfo::from_der(key.spki_der()).map_err(|_| CaError::Signing)?;
        let signed = params.signed_by(&key, &self.issuer);
        let der = signed.map_err(|_| CaError::Signing)?.der().to_vec();
        // rcgen keeps one value an attribute type: a subject with a repeated attribute
        // would come out shortened, and the chain would not join.
        if parse(&der)?.issuer().as_raw() != self.subject_der {
            return Err(CaError::SubjectForm);
        }
        Ok(der)
    }
}

/// The subject key identifier as the certificate has it, since lists and leaves point to it.
fn key_identifier(certificate: &X509Certificate<'_>) -> KeyIdMethod {
    let found = certificate
        .iter_extensions()
        .find_map(|one| match one.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
    found.map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CaError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CaError::MalformedIssuer),
    }
}
