//! An issuer that calls out, beside the local one: its CA has a ledger of its own, and limits.

use std::time::Duration;

use certmill_domain::budget::Scope;
use certmill_rehearsal::{Ca, Faults, Limit, Operation, Rehearsed};

use crate::cluster::Cluster;

/// The name of the issuer and of its profile.
pub const FAR: &str = "far";
/// What the CA accepts, and what the budget is.
const MOST: usize = 12;
const WINDOW: Duration = Duration::from_secs(5);

/// Starts the CA and makes the issuer, with a profile of certificates that live for a minute.
pub async fn far(cluster: &Cluster) -> Ca {
    let limit = Limit {
        scope: Scope::Account,
        most: MOST,
        window: WINDOW,
    };
    let ca = Ca::start(vec![limit]).await.unwrap();
    ca.set_faults(Faults {
        delay: Duration::from_millis(150),
        ..Faults::default()
    });
    let issuer = Rehearsed {
        name: FAR,
        url: &ca.url(),
        limits: &[(limit, 2)],
        lifetime: time::Duration::seconds(60),
    };
    issuer.make(cluster.owner().clone()).await.unwrap();
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
