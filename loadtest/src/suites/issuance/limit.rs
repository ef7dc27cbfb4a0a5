//! The limit: what one core does when it parses, verifies and signs, and nothing else.
//!
//! Invariant: the code is the product's own, the CSRs are of the same form as the clients'.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use certmill_crypto::ca::{CaPlan, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::csr::Csr;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_wire::CertificateRequest;
use time::OffsetDateTime;

/// Certificates a second on one core, measured for `length`.
///
/// # Errors
/// The crypto code refuses a request.
pub fn measure(requests: &[CertificateRequest], length: Duration) -> Result<f64> {
    let ca = authority()?;
    let start = Instant::now();
    let mut done = 0_u32;
    for request in requests.iter().cycle() {
        if start.elapsed() >= length {
            break;
        }
        let pem = request.csr.as_deref().context("a request without a CSR")?;
        let csr = Csr::parse(pem.as_bytes())?;
        let plan = LeafPlan {
            serial: serial()?,
            validity: validity(47),
            names: csr.names.context("a CSR without names")?,
            public_key: csr.public_key,
            purposes: vec![Purpose::ServerAuth],
            status: None,
        };
        std::hint::black_box(ca.sign_leaf(&plan)?);
        done += 1;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}

fn authority() -> Result<SigningCa> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let plan = CaPlan {
        common_name: "Load Test".into(),
        organization: None,
        serial: serial()?,
        validity: validity(3650),
        path_len: 0,
    };
    let root = create_root(&plan, &key)?;
    Ok(SigningCa::new(&root, key)?)
}

fn serial() -> Result<Serial> {
    Ok(Serial::from_random(random::bytes()?))
}

fn validity(days: i64) -> Validity {
    let start = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
    Validity {
        not_before: start,
        not_after: start + time::Duration::days(days),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::suites::issuance::workload::requests;

    #[test]
    fn it_signs() {
        let requests = requests("limit", 3).unwrap();
        assert!(measure(&requests, Duration::from_millis(50)).unwrap() > 1.0);
    }
}
