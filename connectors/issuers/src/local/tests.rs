//! The local CA against the conformance suite, and what it must refuse.
#![allow(clippy::unwrap_used)]

use certmill_crypto::ca::{CaPlan, SigningCa, create_root};
use certmill_crypto::chain::{Chain, certificate_pem};
use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::ids::OrderId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_spi::{Ask, Deps, Fault, FaultClass, Issuer, Remote, Step, conformance};
use serde_json::json;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

struct Authority {
    root_der: Vec<u8>,
    issuing_der: Vec<u8>,
    key_der: Vec<u8>,
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

fn plan(name: &str, path_len: u8) -> CaPlan {
    CaPlan {
        common_name: name.into(),
        organization: None,
        serial: Serial::from_random([path_len + 1; 16]),
        validity: Validity {
            not_before: NOW - Duration::HOUR,
            not_after: NOW + Duration::days(365),
        },
        path_len,
    }
}

fn authority() -> Authority {
    let root_key = key();
    let root_der = create_root(&plan("Root", 1), &root_key).unwrap();
    let root = SigningCa::new(&root_der, root_key).unwrap();
    let issuing = key();
    let issuing_der = root
        .sign_ca(&plan("Issuing", 0), issuing.public_key())
        .unwrap();
    Authority {
        root_der,
        issuing_der,
        key_der: issuing.pkcs8_der().to_vec(),
    }
}

impl Authority {
    fn connect(&self) -> Result<Box<dyn Issuer>, Fault> {
        let deps = Deps {
            ca_key: Some(PrivateKey::from_der(&self.key_der).unwrap()),
        };
        let chain = [&self.issuing_der, &self.root_der]
            .map(|der| certificate_pem(der))
            .concat();
        crate::connect("local", &json!({ "chain_pem": chain }), deps)
    }
}

fn ask() -> Ask {
    let key = key();
    let names = Names::parse(["shop.example.com", "192.0.2.1"]).unwrap();
    Ask {
        order_id: OrderId(Uuid::from_u128(1)),
        csr_der: csr::create(&key, &names).unwrap(),
        names,
        public_key: key.public_key().clone(),
        serial: Serial::from_random([0x91; 16]),
        validity: Validity::plan(NOW, Duration::days(90), NOW + Duration::days(365)),
        generation: 1,
        replaces: None,
    }
}

#[tokio::test]
async fn conforms() {
    let authority = authority();
    conformance::run(&|| authority.connect(), &ask(), NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn returns_leaf_and_issuing_ca_without_the_root() {
    let authority = authority();
    let issuer = authority.connect().unwrap();
    let Step::Issued { chain } = issuer.step(&ask(), Remote::start()).await.unwrap() else {
        panic!("the local CA issues in one step");
    };
    assert_eq!(chain[1..], [authority.issuing_der]);
    assert_eq!(
        Chain::from_ders(chain).unwrap().leaf().serial_hex,
        "91".repeat(16)
    );
}

#[tokio::test]
async fn refuses_what_outlives_it_for_good() {
    let issuer = authority().connect().unwrap();
    let mut ask = ask();
    ask.validity.not_after = NOW + Duration::days(366);
    let fault = issuer.step(&ask, Remote::start()).await.unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_ref()),
        (FaultClass::Rejected, "outlives_issuer")
    );
}

#[test]
fn wrong_keys_and_chains_make_no_issuer() {
    let authority = authority();
    let code = |chain: &str, ca_key: Option<PrivateKey>| {
        let made = crate::connect("local", &json!({ "chain_pem": chain }), Deps { ca_key });
        let fault = made.err().unwrap();
        assert_eq!(fault.class, FaultClass::Misconfigured);
        fault.code.into_owned()
    };
    let issuing = certificate_pem(&authority.issuing_der);
    assert_eq!(code(&issuing, None), "ca_key_missing");
    assert_eq!(code(&issuing, Some(key())), "ca_key_mismatch");
    assert_eq!(code("", Some(key())), "ca_chain_invalid");
    assert_eq!(code("no PEM at all", Some(key())), "ca_chain_invalid");
    let garbage = certificate_pem(b"garbage");
    assert_eq!(code(&garbage, Some(key())), "ca_malformed");
    assert_eq!(
        code(&format!("{issuing}{garbage}"), Some(key())),
        "ca_chain_invalid"
    );
}
