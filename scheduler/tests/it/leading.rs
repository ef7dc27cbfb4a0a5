//! Two schedulers: one leads, the other takes over when it resigns.

use certmill_coordination::leader::{self, LeaderRow};
use certmill_testkit::TestDb;

use crate::rig::*;

async fn leader(db: &TestDb) -> LeaderRow {
    leader::current(db.app(), "scheduler")
        .await
        .unwrap()
        .unwrap()
}

async fn ticks_of(db: &TestDb, epoch: i64) -> i64 {
    count(
        db,
        &format!("schedule_tick WHERE schedule = 'renewal' AND epoch = {epoch}"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_leads_and_resigning_hands_over() {
    let db = seeded().await;
    let (a, b) = (
        Scheduler::start(&db, "a").await,
        Scheduler::start(&db, "b").await,
    );
    until(|| async { leader(&db).await.held }).await;
    let first = leader(&db).await;
    until(|| async { ticks_of(&db, first.epoch).await >= 2 }).await;
    assert_eq!(leader(&db).await.epoch, first.epoch, "nobody took it away");
    assert_eq!(
        count(&db, "process WHERE role = 'scheduler' AND dead_at IS NULL").await,
        2
    );

    let (leads, waits) = match first.label.as_deref() {
        Some("a") => (a, b),
        _ => (b, a),
    };
    leads.stop().await;

    until(|| async { leader(&db).await.epoch > first.epoch }).await;
    let second = leader(&db).await;
    assert_eq!(second.label.as_deref(), Some(waits.label));
    let gap = second.acquired_at.unwrap() - first.renewed_at.unwrap();
    assert!(
        gap < LEADER_LEASE,
        "a resigned lease is not waited for: {gap}"
    );
    until(|| async { ticks_of(&db, second.epoch).await >= 1 }).await;
    waits.stop().await;

    let mixed = "(SELECT 1 FROM schedule_tick o JOIN schedule_tick n ON n.epoch > o.epoch AND n.seq < o.seq) m";
    assert_eq!(
        count(&db, mixed).await,
        0,
        "no tick of the old term after one of the new"
    );
    assert!(!leader(&db).await.held, "the last one resigned");
    assert_eq!(count(&db, "process WHERE dead_at IS NULL").await, 0);
}
