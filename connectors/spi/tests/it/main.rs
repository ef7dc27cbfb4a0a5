//! The conformance suite itself: a sound issuer passes, each broken one is named.
#![allow(clippy::unwrap_used)]

mod fake;

use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::ids::OrderId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_spi::{Ask, Issuer, conformance};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use fake::{Fake, Flaw, Ledger};

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn ask() -> Ask {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let names = Names::parse(["a.example.com"]).unwrap();
    Ask {
        order_id: OrderId(Uuid::from_u128(7)),
        csr_der: csr::create(&key, &names).unwrap(),
        names,
        public_key: key.public_key().clone(),
        serial: Serial::from_random([5; 16]),
        validity: Validity::plan(NOW, Duration::days(90), NOW + Duration::days(365)),
        generation: 1,
        replaces: None,
    }
}

async fn verdict(flaw: Flaw) -> Option<&'static str> {
    let ledger = Ledger::new(NOW);
    let connect = || Ok(Box::new(Fake::new(ledger.clone(), flaw)) as Box<dyn Issuer>);
    conformance::run(&connect, &ask(), NOW)
        .await
        .err()
        .map(|violation| violation.rule)
}

#[tokio::test]
async fn a_sound_issuer_with_several_steps_passes() {
    assert_eq!(verdict(Flaw::None).await, None);
}

#[tokio::test]
async fn every_flaw_is_found() {
    for (flaw, rule) in [
        (
            Flaw::ForgetsOrders,
            "a resumed order gives the same certificate",
        ),
        (Flaw::NeverEnds, "an order ends"),
        (Flaw::WaitsZero, "check_after is above zero, at most a day"),
        (
            Flaw::TakesGarbage,
            "an unknown state is a fault of class Rejected or Misconfigured",
        ),
        (Flaw::RootFirst, "the chain comes leaf first"),
        (Flaw::OtherNames, "what is issued is what was asked for"),
        (
            Flaw::RevokesSilently,
            "revoke does what powers() says, also when repeated",
        ),
    ] {
        assert_eq!(verdict(flaw).await, Some(rule), "{flaw:?}");
    }
}
