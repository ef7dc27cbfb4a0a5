//! Against the rehearsal CA itself.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::ids::OrderId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_rehearsal::{Ca, Faults, Limit, Operation};
use certmill_spi::{Ask, Deps, Fault, FaultClass, Issuer, Remote, Step, conformance};
use serde_json::json;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn ask() -> Ask {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let names = Names::parse(["www.example.com"]).unwrap();
    let der = csr::create(&key, &names).unwrap();
    let parsed = csr::Csr::admitted(&der).unwrap();
    Ask {
        order_id: OrderId(uuid::Uuid::from_u128(7)),
        names,
        csr_der: der,
        public_key: parsed.public_key,
        serial: Serial::from_random([7; 16]),
        validity: Validity {
            not_before: NOW,
            not_after: NOW + time::Duration::days(6),
        },
        generation: 1,
        replaces: None,
    }
}

fn connect(url: &str) -> Result<Box<dyn Issuer>, Fault> {
    let config = json!({ "url": url, "timeout_ms": 500 });
    crate::connect("rehearsal", &config, Deps::default())
}

#[tokio::test]
async fn it_does_what_every_issuer_must() {
    let ca = Ca::start(Vec::new()).await.unwrap();
    let url = ca.url();
    let connect = move || connect(&url);
    conformance::run(&connect, &ask(), NOW).await.unwrap();
    let ledger = ca.ledger();
    let finalized = ledger
        .iter()
        .filter(|entry| entry.operation == Operation::Finalize);
    let orders: Vec<_> = finalized.filter(|e| e.accepted).map(|e| e.order).collect();
    let mut distinct = orders.clone();
    distinct.dedup();
    assert_eq!(orders, distinct, "finalized once each");
}

#[tokio::test]
async fn its_faults_have_their_classes() {
    let limit = Limit {
        scope: certmill_domain::budget::Scope::Account,
        most: 1,
        window: Duration::from_secs(60),
    };
    let ca = Ca::start(vec![limit]).await.unwrap();
    let issuer = connect(&ca.url()).unwrap();
    let ask = ask();
    let start = || issuer.step(&ask, Remote::start());
    ca.set_faults(Faults {
        refused: 1.0,
        ..Faults::default()
    });
    assert_eq!(start().await.unwrap_err().class, FaultClass::Retry);
    ca.set_faults(Faults {
        unanswered: 1.0,
        ..Faults::default()
    });
    let lost = start().await.unwrap_err();
    assert_eq!((lost.class, &*lost.code), (FaultClass::Retry, "ca_timeout"));
    ca.set_faults(Faults::default());
    let limited = start().await.unwrap_err();
    assert_eq!(&*limited.code, certmill_spi::RATE_LIMITED);
    assert_eq!(limited.class, FaultClass::Wait);
    assert!(limited.retry_after > Some(Duration::from_secs(50)));
    let forgotten = Remote(json!({ "finalized": { "order": 99 } }));
    let again = issuer.step(&ask, forgotten).await.unwrap();
    assert_eq!(again, Step::Continue(Remote::start()));
}

#[tokio::test]
async fn it_is_on_this_machine_or_refused() {
    for url in [
        "http://example.com",
        "https://127.0.0.1:1",
        "http://10.0.0.1:1",
        "nowhere",
    ] {
        let fault = connect(url).err().unwrap();
        assert_eq!(fault.class, FaultClass::Misconfigured, "{url}");
    }
    let nobody = connect("http://127.0.0.1:1").unwrap();
    let fault = nobody.probe().await.unwrap_err();
    assert_eq!(&*fault.code, "ca_unreachable");
}
