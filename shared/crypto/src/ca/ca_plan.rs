//! What a CA certificate says, and self-signed roots made from it.
//!
//! Invariant: CA:TRUE with a path length, keyCertSign and cRLSign, both key
//! identifiers (RFC 5280, sections 4.2.1.1 to 4.2.1.3 and 4.2.1.9).

use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose,
    SerialNumber,
};

use crate::ca::CaError;
use crate::keys::PrivateKey;

/// The plan of a CA certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaPlan {
    /// CN of the subject; two CAs of one installation should not share it.
    pub common_name: String,
    /// O of the subject.
    pub organization: Option<String>,
    /// Its serial number.
    pub serial: Serial,
    /// Its dates, in whole seconds.
    pub validity: Validity,
    /// How many CAs may stand below it: 0 for an issuing CA, 1 for its root.
    pub path_len: u8,
}

impl CaPlan {
    pub(super) fn params(&self) -> Result<CertificateParams, CaError> {
        check_order(&self.validity)?;
        let mut subject = DistinguishedName::new();
        if let Some(organization) = &self.organization {
            subject.push(DnType::OrganizationName, organization.as_str());
        }
        subject.push(DnType::CommonName, self.common_name.as_str());
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.serial_number = Some(SerialNumber::from_slice(self.serial.as_bytes()));
        params.not_before = self.validity.not_before;
        params.not_after = self.validity.not_after;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(self.path_len));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

pub(super) fn check_order(validity: &Validity) -> Result<(), CaError> {
    if validity.not_before >= validity.not_after {
        return Err(CaError::EmptyValidity {
            not_before: validity.not_before,
            not_after: validity.not_after,
        });
    }
    Ok(())
}

/// A self-signed root in DER.
///
/// # Errors
/// [`CaError::EmptyValidity`] or [`CaError::Signing`].
pub fn create_root(plan: &CaPlan, key: &PrivateKey) -> Result<Vec<u8>, CaError> {
    let root = plan
        .params()?
        .self_signed(key)
        .map_err(|_| CaError::Signing)?;
    Ok(root.der().to_vec())
}
