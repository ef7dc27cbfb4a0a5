//! A CA with limits is never asked for more, most urgent first, and each generation is issued once.

use certmill_domain::budget::Scope;
use certmill_rehearsal::{Ca, Entry, Faults, Limit, Operation};
use certmill_service::issuers::{self, BudgetAsk};
use certmill_service::{Caller, profiles};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::rig::*;

/// An issuer and a profile of that name.
async fn issuer(rig: &Rig, name: &str, url: &str, budgets: &[BudgetAsk]) {
    let caller = Caller::system("test");
    let ask = issuers::Ask {
        name: name.into(),
        kind: "rehearsal",
        config: json!({ "url": url, "timeout_ms": 400 }),
        budgets: budgets.to_vec(),
    };
    issuers::add(&rig.context, &caller, &ask).await.unwrap();
    let profile = profiles::Ask::usual(name, name, time::Duration::days(6));
    profiles::add(&rig.context, &caller, profile).await.unwrap();
}

fn limit(scope: Scope, most: usize, window_s: u64) -> Limit {
    Limit {
        scope,
        most,
        window: Duration::from_secs(window_s),
    }
}

fn budget(limit: Limit, reserve: i32) -> BudgetAsk {
    BudgetAsk {
        scope: limit.scope,
        most: i32::try_from(limit.most).unwrap(),
        window_s: i64::try_from(limit.window.as_secs()).unwrap(),
        reserve,
    }
}

fn names(count: usize, domain: &str) -> Vec<String> {
    (0..count).map(|n| format!("n{n}.{domain}")).collect()
}

async fn issued(rig: &Rig, count: i64) {
    until(|| async { rig.count("certificate WHERE status = 'issued'").await == count }).await;
}

fn new_orders(ledger: &[Entry]) -> Vec<&Entry> {
    let orders = ledger.iter().filter(|e| e.operation == Operation::NewOrder);
    orders.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_stay_within_each_of_the_limits() {
    let rig = rig().await;
    let limits = [
        limit(Scope::Account, 12, 2),
        limit(Scope::RegisteredDomain, 8, 2),
        limit(Scope::NameSet, 1, 2),
    ];
    let ca = Ca::start(limits.to_vec()).await.unwrap();
    issuer(
        &rig,
        "far",
        &ca.url(),
        &limits.map(|limit| budget(limit, 0)),
    )
    .await;
    rig.request_of("far", &names(20, "example.com")).await;
    rig.request_of("far", &names(20, "example.org")).await;
    let (a, b) = (rig.worker("a", false).await, rig.worker("b", false).await);
    issued(&rig, 40).await;
    a.stop().await;
    b.stop().await;
    let ledger = ca.ledger();
    let refused: Vec<_> = ledger.iter().filter(|entry| !entry.accepted).collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(new_orders(&ledger).len(), 40, "one order a generation");
    // A worker that was held up for longer than a grant is good for takes another one.
    let grants = rig.count("ca_grant").await;
    assert!(grants >= 120, "each order was charged to each: {grants}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_without_budgets_hears_from_its_ca_and_pauses() {
    let rig = rig().await;
    let ca = Ca::start(vec![limit(Scope::Account, 5, 1)]).await.unwrap();
    issuer(&rig, "far", &ca.url(), &[]).await;
    rig.request_of("far", &names(15, "example.com")).await;
    let worker = rig.worker("a", false).await;
    issued(&rig, 15).await;
    worker.stop().await;
    let ledger = ca.ledger();
    let refused = ledger.iter().filter(|entry| !entry.accepted).count();
    assert!(
        (1..=2 * 8).contains(&refused),
        "the slots of two windows: {refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ca_has_accepted_is_fetched_while_its_budget_is_used_up() {
    let rig = rig().await;
    let account = limit(Scope::Account, 5, 3_600);
    let ca = Ca::start(vec![account]).await.unwrap();
    ca.set_faults(Faults {
        processing: Duration::from_millis(600),
        ..Faults::default()
    });
    issuer(&rig, "far", &ca.url(), &[budget(account, 0)]).await;
    rig.request_of("far", &names(12, "example.com")).await;
    let worker = rig.worker("a", false).await;
    issued(&rig, 5).await;
    worker.stop().await;
    assert_eq!(new_orders(&ca.ledger()).len(), 5);
    assert_eq!(rig.count("job WHERE begun").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_urgent_comes_first_and_may_use_the_reserve() {
    let rig = rig().await;
    let account = limit(Scope::Account, 10, 3);
    let ca = Ca::start(vec![account]).await.unwrap();
    issuer(&rig, "far", &ca.url(), &[budget(account, 4)]).await;
    rig.request_of("far", &names(14, "calm.example.com")).await;
    let worker = rig.worker("a", false).await;
    issued(&rig, 6).await;
    let urgent = names(4, "urgent.example.com");
    rig.request_of("far", &urgent).await;
    rig.run(
        "UPDATE job SET priority = 0 WHERE queue = 'issue:far' AND object IN \
         (SELECT j.object FROM job j JOIN certificate c \
          ON j.unique_key = convert_to('issue:', 'UTF8') || uuid_send(c.id) || int4send(1) \
          WHERE c.name LIKE '%urgent%')",
    )
    .await;
    issued(&rig, 18).await;
    worker.stop().await;
    let ledger = ca.ledger();
    assert!(ledger.iter().all(|entry| entry.accepted));
    let orders = new_orders(&ledger);
    let reserved: BTreeSet<_> = orders[6..10].iter().map(|e| e.names[0].as_str()).collect();
    assert_eq!(reserved, urgent.iter().map(String::as_str).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_leave_orphans_and_each_generation_is_finalized_once() {
    let rig = rig().await;
    let ca = Ca::start(Vec::new()).await.unwrap();
    issuer(&rig, "far", &ca.url(), &[]).await;
    ca.set_faults(Faults {
        unanswered: 0.15,
        refused: 0.05,
        ..Faults::default()
    });
    rig.request_of("far", &names(20, "example.com")).await;
    let worker = rig.worker("a", false).await;
    until(|| async {
        rig.run("UPDATE job SET run_at = now() WHERE state = 0 AND attempt > 0")
            .await;
        rig.count("certificate WHERE status = 'issued'").await == 20
    })
    .await;
    worker.stop().await;
    let ledger = ca.ledger();
    let finalized: Vec<_> = ledger
        .iter()
        .filter(|e| e.operation == Operation::Finalize && e.accepted)
        .collect();
    assert_eq!(finalized.len(), 20);
    let distinct: BTreeSet<_> = finalized.iter().map(|entry| &entry.names).collect();
    assert_eq!(distinct.len(), 20, "once a generation");
    assert_eq!(rig.count("version").await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_issuer_does_not_hold_up_another() {
    let rig = rig().await;
    let ca = Ca::start(Vec::new()).await.unwrap();
    issuer(&rig, "alive", &ca.url(), &[]).await;
    issuer(&rig, "dead", "http://127.0.0.1:9", &[]).await;
    rig.request_of("dead", &names(60, "dead.example.com")).await;
    rig.request_of("alive", &names(20, "alive.example.com"))
        .await;
    let worker = rig.worker("a", false).await;
    issued(&rig, 20).await;
    worker.stop().await;
    assert_eq!(rig.count("certificate WHERE status = 'failed'").await, 0);
    assert_eq!(rig.count("job WHERE queue = 'issue:dead'").await, 60);
}
