//! Writing requests.
//!
//! Invariant: the subject is empty, so that the names stand in one place only.

use certmill_domain::names::Names;
use rcgen::{CertificateParams, DistinguishedName};

use crate::csr::CsrError;
use crate::keys::PrivateKey;
use crate::{pem, san};

/// A request for `names`, signed by `key`, in DER.
///
/// # Errors
/// [`CsrError::Creation`] when signing fails.
pub fn create(key: &PrivateKey, names: &Names) -> Result<Vec<u8>, CsrError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = san::to_rcgen(names).map_err(|_| CsrError::Creation)?;
    let request = params
        .serialize_request(key)
        .map_err(|_| CsrError::Creation)?;
    Ok(request.der().to_vec())
}

/// A request as PEM.
#[must_use]
pub fn to_pem(der: &[u8]) -> String {
    pem::encode("CERTIFICATE REQUEST", der)
}
