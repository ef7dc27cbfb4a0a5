//! Requests made beforehand: a key and a CSR for each name, as bodies that only have to be sent.
//!
//! Invariant: no name is asked for twice in a run, and making requests is never measured.

use anyhow::Result;
use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_wire::{BulkCertificateRequest, CertificateRequest};

/// One request, as a client makes it.
pub fn request(name: String) -> Result<CertificateRequest> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let names = Names::parse([name.as_str()])?;
    let der = csr::create(&key, &names)?;
    Ok(CertificateRequest {
        name,
        sans: None,
        profile: None,
        csr: Some(csr::to_pem(&der)),
    })
}

/// Names of one load: its label and a number.
pub fn requests(label: &str, many: usize) -> Result<Vec<CertificateRequest>> {
    let name = |n| format!("n{n}.{label}.load.example.com");
    (0..many).map(|n| request(name(n))).collect()
}

/// Bodies of bulk calls of `size`.
pub fn bulk(requests: &[CertificateRequest], size: usize) -> Result<Vec<Vec<u8>>> {
    let body = |part: &[CertificateRequest]| {
        let certificates = part.to_vec();
        Ok(serde_json::to_vec(&BulkCertificateRequest {
            certificates,
        })?)
    };
    requests.chunks(size).map(body).collect()
}

/// A body for each.
pub fn singly(requests: &[CertificateRequest]) -> Result<Vec<Vec<u8>>> {
    let body = |one| Ok(serde_json::to_vec(one)?);
    requests.iter().map(body).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bulk_calls_hold_everything_once() {
        let requests = requests("t", 5).unwrap();
        let bodies = bulk(&requests, 2).unwrap();
        let sizes: Vec<usize> = bodies
            .iter()
            .map(|body| serde_json::from_slice::<BulkCertificateRequest>(body).unwrap())
            .map(|call| call.certificates.len())
            .collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!(singly(&requests).unwrap().len(), 5);
    }
}
