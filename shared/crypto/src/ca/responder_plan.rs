//! What the certificate of an OCSP responder says.
//!
//! Invariant: id-kp-OCSPSigning alone, id-pkix-ocsp-nocheck, and digitalSignature
//! (RFC 6960, sections 4.2.2.2 and 4.2.2.2.1); its short life stands in for its revocation.

use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SerialNumber,
};

use crate::ca::CaError;
use crate::ca::ca_plan::check_order;
use crate::keys::PublicKey;

/// id-pkix-ocsp-nocheck (RFC 6960, section 4.2.2.2.1).
const NO_CHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
/// NULL in DER.
const NULL: [u8; 2] = [5, 0];

/// The plan of a responder's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponderPlan {
    /// CN of the subject.
    pub common_name: String,
    /// Its serial number.
    pub serial: Serial,
    /// Its dates, in whole seconds.
    pub validity: Validity,
    /// Its key.
    pub public_key: PublicKey,
}

impl ResponderPlan {
    pub(super) fn params(&self) -> Result<CertificateParams, CaError> {
        check_order(&self.validity)?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, self.common_name.as_str());
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.serial_number = Some(SerialNumber::from_slice(self.serial.as_bytes()));
        params.not_before = self.validity.not_before;
        params.not_after = self.validity.not_after;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![CustomExtension::from_oid_content(NO_CHECK, NULL.to_vec())];
        Ok(params)
    }
}
