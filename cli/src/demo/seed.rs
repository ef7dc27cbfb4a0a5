//! The CA with its limits, and the certificates that it is asked for.

use std::time::Duration;

use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::budget::Scope;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_pg::{ConnectOptions, connect};
use certmill_rehearsal::{Ca, Faults, Limit, Rehearsed};
use certmill_settings::Secret;
use certmill_wire::{BulkCertificateRequest, CertificateRequest};

use super::door::Door;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::roles::refusal;

/// The name of the issuer and of its profile.
pub(super) const ISSUER: &str = "rehearsal";
/// How long a certificate lives; it is renewed after two thirds of that.
const LIFETIME: time::Duration = time::Duration::minutes(5);
/// Registered domains that the names are spread over.
const DOMAINS: u32 = 25;
/// Requests of one call.
const OF_A_CALL: usize = 100;

/// As Let's Encrypt limits new orders (300 by account in 3 h, 50 by registered domain and 5 by set of names
/// in 7 days), in windows as much shorter as the certificates' lives are.
const LIMITS: [(Scope, usize, u64); 3] = [
    (Scope::Account, 300, 60),
    (Scope::RegisteredDomain, 50, 60),
    (Scope::NameSet, 5, 600),
];
/// Of the account's orders these are kept for what is most urgent.
const RESERVE: i32 = 15;

/// What is wrong with the CA all the time.
pub(super) const USUAL: Faults = Faults {
    delay: Duration::from_millis(150),
    refused: 0.02,
    unanswered: 0.002,
    processing: Duration::from_millis(300),
};

/// Starts the CA and makes the issuer that leads to it.
pub(super) async fn authority(owner: &Secret) -> Result<Ca, Failure> {
    let limit = |(scope, most, seconds)| Limit {
        scope,
        most,
        window: Duration::from_secs(seconds),
    };
    let limits = LIMITS.map(limit);
    let ca = Ca::start(limits.to_vec())
        .await
        .map_err(|why| refusal::system("rehearsal CA", &why))?;
    ca.set_faults(USUAL);
    let reserve = |limit: Limit| match limit.scope {
        Scope::Account => (limit, RESERVE),
        Scope::RegisteredDomain | Scope::NameSet => (limit, 0),
    };
    let pool = connect(owner, ConnectOptions::new("demo").max_connections(1))
        .await
        .map_err(refusal::database)?;
    let issuer = Rehearsed {
        name: ISSUER,
        url: &ca.url(),
        limits: &limits.map(reserve),
        lifetime: LIFETIME,
    };
    let made = issuer.make(pool.clone()).await;
    pool.close().await;
    made.map_err(refusal::service)?;
    Ok(ca)
}

/// Asks for the certificates.
pub(super) async fn certificates(door: &Door, many: u32) -> Result<(), Failure> {
    let mut requests = Vec::new();
    for nth in 0..many {
        let name = format!("shop-{}.demo-{:02}.example", nth / DOMAINS, nth % DOMAINS);
        requests.push(
            request(name)
                .map_err(|why| Failure::new(Exit::Failed, "demo", "requests", &why, ""))?,
        );
    }
    for part in requests.chunks(OF_A_CALL) {
        let bulk = BulkCertificateRequest {
            certificates: part.to_vec(),
        };
        let asked = door.ask(async |client| client.request_certificates(&bulk).await);
        asked.await.map_err(|why| Failure::of_call("demo", &why))?;
    }
    Ok(())
}

fn request(name: String) -> Result<CertificateRequest, String> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(|why| why.to_string())?;
    let names = Names::parse([name.as_str()]).map_err(|why| why.to_string())?;
    let der = csr::create(&key, &names).map_err(|why| why.to_string())?;
    Ok(CertificateRequest {
        name,
        sans: None,
        profile: Some(ISSUER.to_owned()),
        csr: Some(csr::to_pem(&der)),
    })
}
