//! An issuer with a ledger of its own that takes three steps, and its broken twins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use certmill_crypto::ca::{CaPlan, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_domain::ids::OrderId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_spi::{Ask, Fault, Issuer, Powers, Remote, Revocation, Step};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What is wrong with a fake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    ForgetsOrders,
    NeverEnds,
    WaitsZero,
    TakesGarbage,
    RootFirst,
    OtherNames,
    RevokesSilently,
}

/// The far side: a CA that remembers its orders by their id.
pub struct Ledger {
    ca: SigningCa,
    root_der: Vec<u8>,
    issued: Mutex<HashMap<OrderId, Vec<u8>>>,
}

impl Ledger {
    pub fn new(now: OffsetDateTime) -> Arc<Self> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let year = time::Duration::days(365);
        let plan = CaPlan {
            common_name: "Fake".into(),
            organization: None,
            serial: Serial::from_random([1; 16]),
            validity: Validity {
                not_before: now - year,
                not_after: now + year,
            },
            path_len: 0,
        };
        let root_der = create_root(&plan, &key).unwrap();
        let ca = SigningCa::new(&root_der, key).unwrap();
        Arc::new(Self {
            ca,
            root_der,
            issued: Mutex::default(),
        })
    }

    /// Draws the serial itself, so that only the ledger makes a repeat the same.
    fn issue(&self, ask: &Ask) -> Vec<u8> {
        let plan = LeafPlan {
            serial: Serial::from_random(random::bytes().unwrap()),
            validity: ask.validity,
            names: ask.names.clone(),
            public_key: ask.public_key.clone(),
            purposes: vec![Purpose::ServerAuth],
            status: None,
        };
        self.ca.sign_leaf(&plan).unwrap()
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ordered,
    Ready,
}

pub struct Fake {
    ledger: Arc<Ledger>,
    flaw: Flaw,
}

impl Fake {
    pub fn new(ledger: Arc<Ledger>, flaw: Flaw) -> Self {
        Self { ledger, flaw }
    }

    fn collect(&self, ask: &Ask) -> Vec<Vec<u8>> {
        let mut ask = ask.clone();
        if self.flaw == Flaw::OtherNames {
            ask.names = Names::parse(["a.example.com", "b.example.com"]).unwrap();
        }
        let leaf = if self.flaw == Flaw::ForgetsOrders {
            self.ledger.issue(&ask)
        } else {
            let mut issued = self.ledger.issued.lock().unwrap();
            issued
                .entry(ask.order_id)
                .or_insert_with(|| self.ledger.issue(&ask))
                .clone()
        };
        let mut chain = vec![leaf, self.ledger.root_der.clone()];
        if self.flaw == Flaw::RootFirst {
            chain.reverse();
        }
        chain
    }
}

#[async_trait]
impl Issuer for Fake {
    fn powers(&self) -> Powers {
        Powers {
            keeps_plan: false,
            revokes: false,
            calls_out: true,
        }
    }

    async fn probe(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn step(&self, ask: &Ask, remote: Remote) -> Result<Step, Fault> {
        if remote.is_start() || self.flaw == Flaw::NeverEnds {
            return Remote::write(&State::Ordered).map(Step::Continue);
        }
        let check_after = Duration::from_secs(u64::from(self.flaw != Flaw::WaitsZero));
        match remote.read::<State>() {
            Ok(State::Ordered) => Remote::write(&State::Ready).map(|remote| Step::Pending {
                remote,
                check_after,
            }),
            Ok(State::Ready) => Ok(Step::Issued {
                chain: self.collect(ask),
            }),
            Err(_) if self.flaw == Flaw::TakesGarbage => Ok(Step::Issued {
                chain: self.collect(ask),
            }),
            Err(fault) => Err(fault),
        }
    }

    async fn revoke(&self, _: &Revocation) -> Result<(), Fault> {
        match self.flaw {
            Flaw::RevokesSilently => Ok(()),
            _ => Err(Fault::unsupported("revocation_unsupported", "no")),
        }
    }
}
