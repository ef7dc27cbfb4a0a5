//! Where a certificate says that its revocation is told.
//!
//! Invariant: the addresses follow from the public base and the issuing certificate alone, so that
//! worker and api agree on them without asking each other.

use rcgen::{CertificateParams, CrlDistributionPoint, CustomExtension};
use x509_cert::der::Encode;
use x509_cert::der::asn1::{Ia5String, ObjectIdentifier};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax};

use crate::ca::{CaError, CaIdentity};

/// id-pe-authorityInfoAccess (RFC 5280, section 4.2.2.1).
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// id-ad-ocsp.
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// The addresses that a leaf names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusUrls {
    /// Of the CRL, where the authority may sign one.
    pub crl: Option<String>,
    /// Of the OCSP responder.
    pub ocsp: String,
}

impl StatusUrls {
    /// The addresses below a public base such as `http://pki.example.com`.
    #[must_use]
    pub fn below(base: &str, issuer: &CaIdentity) -> Self {
        let base = base.trim_end_matches('/');
        Self {
            crl: issuer
                .signs_crls()
                .then(|| format!("{base}/crl/{}.crl", issuer.label())),
            ocsp: format!("{base}/ocsp"),
        }
    }

    pub(super) fn write(&self, params: &mut CertificateParams) -> Result<(), CaError> {
        let lists = self.crl.iter().map(|url| CrlDistributionPoint {
            uris: vec![url.clone()],
        });
        params.crl_distribution_points = lists.collect();
        let location = Ia5String::new(&self.ocsp).map_err(|_| CaError::Signing)?;
        let access = AuthorityInfoAccessSyntax(vec![AccessDescription {
            access_method: OCSP,
            access_location: GeneralName::UniformResourceIdentifier(location),
        }]);
        let content = access.to_der().map_err(|_| CaError::Signing)?;
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(
                AUTHORITY_INFO_ACCESS,
                content,
            ));
        Ok(())
    }
}
