//! What a leaf says.
//!
//! Invariant: only the plan's key, names, serial, dates and purposes appear; the
//! order of extensions and names is fixed.

use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::{Names, San};
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SerialNumber,
};

use crate::ca::ca_plan::check_order;
use crate::ca::{CaError, StatusUrls};
use crate::keys::PublicKey;
use crate::san;

/// Longest common name (RFC 5280, appendix A.1, ub-common-name).
const COMMON_NAME_MAX: usize = 64;

/// What a leaf may be used for (RFC 5280, section 4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// TLS server authentication.
    ServerAuth,
    /// TLS client authentication.
    ClientAuth,
}

/// The plan of a leaf: fixed when its order is written down, before anything is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafPlan {
    /// Its serial number.
    pub serial: Serial,
    /// Its dates, in whole seconds.
    pub validity: Validity,
    /// Its names.
    pub names: Names,
    /// Its key.
    pub public_key: PublicKey,
    /// What it may be used for; at least one.
    pub purposes: Vec<Purpose>,
    /// Where its revocation is told, if it is told anywhere.
    pub status: Option<StatusUrls>,
}

impl LeafPlan {
    pub(super) fn params(&self) -> Result<CertificateParams, CaError> {
        check_order(&self.validity)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&self.names);
        params.serial_number = Some(SerialNumber::from_slice(self.serial.as_bytes()));
        params.not_before = self.validity.not_before;
        params.not_after = self.validity.not_after;
        params.subject_alt_names = san::to_rcgen(&self.names).map_err(|_| CaError::Signing)?;
        // An explicit "no CA" is also what makes rcgen write the subject key identifier.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = key_usages(self.public_key.algorithm());
        params.extended_key_usages = extended_key_usages(&self.purposes)?;
        params.use_authority_key_identifier_extension = true;
        if let Some(urls) = &self.status {
            urls.write(&mut params)?;
        }
        Ok(params)
    }
}

/// The first name as CN, if it fits; else an empty subject, which makes the
/// subject alternative names critical.
fn subject(names: &Names) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    let first = names.as_slice().first().map(San::to_string);
    if let Some(name) = first.filter(|name| name.len() <= COMMON_NAME_MAX) {
        subject.push(DnType::CommonName, name);
    }
    subject
}

fn key_usages(algorithm: KeyAlgorithm) -> Vec<KeyUsagePurpose> {
    match algorithm {
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519 => {
            vec![KeyUsagePurpose::DigitalSignature]
        }
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
            vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyEncipherment,
            ]
        }
    }
}

fn extended_key_usages(purposes: &[Purpose]) -> Result<Vec<ExtendedKeyUsagePurpose>, CaError> {
    if purposes.is_empty() {
        return Err(CaError::NoPurpose);
    }
    let mut sorted = purposes.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let usages = sorted.into_iter().map(|purpose| match purpose {
        Purpose::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        Purpose::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
    });
    Ok(usages.collect())
}
