//! An issuer that calls out, beside the local one: its CA has a ledger of its own, and limits.

use std::time::Duration;

use certmill_domain::budget::Scope;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::profile::KeySource;
use certmill_domain::renewal::RenewalRule;
use certmill_queue::Hinter;
use certmill_rehearsal::{Ca, Faults, Limit, Operation};
use certmill_service::issuers::{self, BudgetAsk};
use certmill_service::{Caller, Context, Policy, profiles};
use serde_json::json;

use crate::cluster::Cluster;

/// The name of the issuer and of its profile.
pub const FAR: &str = "far";
/// What the CA accepts, and what the budget is.
const MOST: i32 = 12;
const WINDOW: Duration = Duration::from_secs(5);

/// Starts the CA and makes the issuer, with a profile of certificates that live for a minute.
pub async fn far(cluster: &Cluster) -> Ca {
    let limit = Limit {
        scope: Scope::Account,
        most: usize::try_from(MOST).unwrap(),
        window: WINDOW,
    };
    let ca = Ca::start(vec![limit]).await.unwrap();
    ca.set_faults(Faults {
        delay: Duration::from_millis(150),
        ..Faults::default()
    });
    let context = Context {
        pool: cluster.owner().clone(),
        hinter: Hinter::none(),
        app_keys: None,
        policy: Policy {
            process_lease: time::Duration::seconds(5),
            acknowledge_sealed_keys: false,
        },
    };
    let caller = Caller::system("test");
    let budget = BudgetAsk {
        scope: Scope::Account,
        most: MOST,
        window_s: i64::try_from(WINDOW.as_secs()).unwrap(),
        reserve: 2,
    };
    let issuer = issuers::Ask {
        name: FAR.to_owned(),
        kind: "rehearsal",
        config: json!({ "url": ca.url() }),
        budgets: vec![budget],
    };
    issuers::add(&context, &caller, &issuer).await.unwrap();
    let profile = profiles::Ask {
        name: FAR.to_owned(),
        issuer: Some(FAR.to_owned()),
        lifetime: time::Duration::seconds(60),
        key_algorithms: vec![KeyAlgorithm::EcdsaP256],
        key_source: KeySource::Csr,
        renewal: RenewalRule::default(),
        allowed_names: Vec::new(),
    };
    profiles::add(&context, &caller, profile).await.unwrap();
    ca
}

/// New orders that were accepted, and how many of them were finalized.
pub fn orders(ca: &Ca) -> (usize, usize) {
    let ledger = ca.ledger();
    let count = |operation| {
        let lines = ledger.iter();
        let accepted = lines.filter(|entry| entry.accepted && entry.operation == operation);
        accepted.count()
    };
    (count(Operation::NewOrder), count(Operation::Finalize))
}
