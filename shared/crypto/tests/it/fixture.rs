//! A root, an issuing CA and plans, as the product makes them.
#![allow(
    clippy::disallowed_methods,
    reason = "OpenSSL judges dates by the machine's clock"
)]

use certmill_crypto::ca::{CaPlan, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use time::{Duration, OffsetDateTime};

pub struct Authority {
    pub root_der: Vec<u8>,
    pub issuing_der: Vec<u8>,
    pub signing: SigningCa,
}

pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
}

pub fn serial() -> Serial {
    Serial::from_random(random::bytes().unwrap())
}

pub fn validity(days: i64) -> Validity {
    let now = now();
    Validity {
        not_before: now - Duration::minutes(5),
        not_after: now + Duration::days(days),
    }
}

pub fn ca_plan(name: &str, days: i64, path_len: u8) -> CaPlan {
    CaPlan {
        common_name: name.into(),
        organization: Some("Example".into()),
        serial: serial(),
        validity: validity(days),
        path_len,
    }
}

pub fn authority(algorithm: KeyAlgorithm) -> Authority {
    let root_key = PrivateKey::generate(algorithm).unwrap();
    let root_der = create_root(&ca_plan("Example Root", 3650, 1), &root_key).unwrap();
    let root = SigningCa::new(&root_der, root_key).unwrap();
    let key = PrivateKey::generate(algorithm).unwrap();
    let plan = ca_plan("Example Issuing", 1825, 0);
    let issuing_der = root.sign_ca(&plan, key.public_key()).unwrap();
    let signing = SigningCa::new(&issuing_der, key).unwrap();
    Authority {
        root_der,
        issuing_der,
        signing,
    }
}

pub fn leaf_plan(algorithm: KeyAlgorithm, names: &[&str]) -> LeafPlan {
    LeafPlan {
        serial: serial(),
        validity: validity(90),
        names: Names::parse(names).unwrap(),
        public_key: PrivateKey::generate(algorithm)
            .unwrap()
            .public_key()
            .clone(),
        purposes: vec![Purpose::ServerAuth],
        status: None,
    }
}
