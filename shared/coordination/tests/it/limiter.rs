//! The rate limit holds over all clients, and denials write nothing.

use std::time::{Duration, Instant};

use certmill_coordination::limiter::{prune_limits, take, take_many};
use certmill_coordination::{Admission, Error, GcraLimit};
use certmill_testkit::TestDb;
use sqlx::Connection;

use crate::rig::*;

fn limit(every_ms: u64, burst: u32) -> GcraLimit {
    GcraLimit {
        emission_interval: Duration::from_millis(every_ms),
        burst,
    }
}

#[tokio::test]
async fn a_burst_passes_then_the_wait_is_named_and_true() {
    let db = TestDb::new().await;
    let limit = limit(400, 3);
    for _ in 0..3 {
        assert_eq!(
            take(db.app(), "k", limit).await.unwrap(),
            Admission::Allowed
        );
    }
    let Admission::Denied { retry_after } = take(db.app(), "k", limit).await.unwrap() else {
        panic!("denied")
    };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(400));
    assert_eq!(
        take(db.app(), "other", limit).await.unwrap(),
        Admission::Allowed
    );
    tokio::time::sleep(retry_after).await;
    assert_eq!(
        take(db.app(), "k", limit).await.unwrap(),
        Admission::Allowed
    );
    assert!(matches!(
        take(db.app(), "k", self::limit(400, 0)).await,
        Err(Error::Limit)
    ));
}

#[tokio::test]
async fn many_are_taken_all_or_none() {
    let db = TestDb::new().await;
    let limit = limit(60_000, 10);
    let many = |n| take_many(db.app(), "k", limit, n);
    assert_eq!(many(7).await.unwrap(), Admission::Allowed);
    assert!(matches!(many(4).await.unwrap(), Admission::Denied { .. }));
    assert_eq!(many(3).await.unwrap(), Admission::Allowed);
    assert!(matches!(many(1).await.unwrap(), Admission::Denied { .. }));
    assert!(matches!(many(11).await, Err(Error::Limit)));
    assert!(matches!(many(0).await, Err(Error::Limit)));
}

#[tokio::test]
async fn denials_write_nothing() {
    let db = TestDb::new().await;
    let limit = limit(60_000, 1);
    take(db.app(), "k", limit).await.unwrap();
    let version = "SELECT ctid::text || xmin::text || xmax::text FROM api_limit";
    let before: String = sqlx::query_scalar(version)
        .fetch_one(db.app())
        .await
        .unwrap();
    for _ in 0..5 {
        assert!(matches!(
            take(db.app(), "k", limit).await.unwrap(),
            Admission::Denied { .. }
        ));
    }
    let after: String = sqlx::query_scalar(version)
        .fetch_one(db.app())
        .await
        .unwrap();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_clients_together_stay_within_the_bound() {
    let db = TestDb::new().await;
    let (limit, length) = (limit(5, 20), Duration::from_millis(1500));
    let began = Instant::now();
    let client = || async {
        let mut passed = 0;
        while began.elapsed() < length {
            passed += u32::from(take(db.app(), "hot", limit).await.unwrap() == Admission::Allowed);
        }
        passed
    };
    let (a, b, c) = tokio::join!(client(), client(), client());
    let (passed, window) = (a + b + c, began.elapsed());
    let bound = 20 + u32::try_from(window.as_millis() / 5).unwrap() + 1;
    assert!(passed <= bound, "{passed} passed, bound {bound}");
    assert!(passed >= 150, "and the limit is used: {passed}");
}

#[tokio::test]
async fn two_requests_for_the_last_place_are_decided_under_the_lock() {
    let db = TestDb::new().await;
    let limit = limit(60_000, 2);
    take(db.app(), "k", limit).await.unwrap();
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM api_limit FOR UPDATE")
        .execute(&mut *tx)
        .await
        .unwrap();
    let (a, b, ()) = tokio::join!(
        take(db.app(), "k", limit),
        take(db.app(), "k", limit),
        async {
            until_somebody_is_blocked(&db).await;
            tx.commit().await.unwrap();
        }
    );
    let allowed = [a.unwrap(), b.unwrap()]
        .iter()
        .filter(|a| **a == Admission::Allowed)
        .count();
    assert_eq!(allowed, 1);
}

#[tokio::test]
async fn the_commit_is_asynchronous_for_this_statement_only() {
    let db = TestDb::new().await;
    let mut conn = db.session().await;
    let sql = include_str!("../../src/sql/take.sql");
    let interval = sqlx::postgres::types::PgInterval {
        months: 0,
        days: 0,
        microseconds: 1000,
    };
    sqlx::query(sql)
        .bind("k")
        .bind(interval)
        .bind(interval)
        .execute(&mut conn)
        .await
        .unwrap();
    let setting: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(setting, "on");
}

#[tokio::test]
async fn idle_keys_are_pruned() {
    let db = TestDb::new().await;
    take(db.app(), "k", limit(10, 1)).await.unwrap();
    assert_eq!(prune_limits(db.app()).await.unwrap(), 0);
    sqlx::query("UPDATE api_limit SET tat = now() - interval '2 hours'")
        .execute(db.app())
        .await
        .unwrap();
    assert_eq!(prune_limits(db.app()).await.unwrap(), 1);
}
