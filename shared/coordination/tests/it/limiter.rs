//! The rate limit holds over all clients, and denials write nothing.

use std::time::{Duration, Instant};

use certmill_coordination::limiter::{self, prune_limits};
use certmill_coordination::{Error, GcraLimit, Result, Taken, Wish};
use certmill_testkit::TestDb;
use sqlx::Connection;

use crate::rig::*;

fn limit(every_ms: u64, burst: u32) -> GcraLimit {
    GcraLimit {
        emission_interval: Duration::from_millis(every_ms),
        burst,
    }
}

async fn take_many(db: &TestDb, key: &str, limit: GcraLimit, n: u32) -> Result<Taken> {
    let taken = limiter::take(db.app(), &[Wish { key, limit, n }]).await?;
    assert_eq!(taken.len(), 1);
    Ok(taken[0])
}

async fn take(db: &TestDb, key: &str, limit: GcraLimit) -> Taken {
    take_many(db, key, limit, 1).await.unwrap()
}

/// The answers to wishes of several keys.
async fn take_each(db: &TestDb, wishes: &[(&str, GcraLimit, u32)]) -> Vec<Taken> {
    let wishes: Vec<Wish<'_>> = wishes
        .iter()
        .map(|&(key, limit, n)| Wish { key, limit, n })
        .collect();
    limiter::take(db.app(), &wishes).await.unwrap()
}

#[tokio::test]
async fn a_burst_passes_then_the_wait_is_named_and_true() {
    let db = TestDb::new().await;
    let limit = limit(400, 3);
    for left in [2, 1, 0] {
        let taken = take(&db, "k", limit).await;
        assert!(
            taken.granted && taken.left == left && taken.retry_after.is_none(),
            "{taken:?}"
        );
    }
    let denied = take(&db, "k", limit).await;
    let retry_after = denied.retry_after.unwrap();
    assert!(!denied.granted && denied.left == 0);
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(400));
    assert!(take(&db, "other", limit).await.granted);
    tokio::time::sleep(retry_after).await;
    assert!(take(&db, "k", limit).await.granted);
    assert!(matches!(
        take_many(&db, "k", self::limit(400, 0), 1).await,
        Err(Error::Limit)
    ));
}

#[tokio::test]
async fn many_are_taken_all_or_none() {
    let db = TestDb::new().await;
    let limit = limit(60_000, 10);
    let many = async |n| take_many(&db, "k", limit, n).await;
    assert!(many(7).await.unwrap().granted);
    let denied = many(4).await.unwrap();
    assert!(!denied.granted && denied.left == 3, "{denied:?}");
    assert_eq!(
        denied.retry_after,
        Some(Duration::ZERO),
        "one could go on at once"
    );
    assert!(many(3).await.unwrap().granted);
    assert!(!many(1).await.unwrap().granted);
    assert!(matches!(many(11).await, Err(Error::Limit)));
    assert!(matches!(many(0).await, Err(Error::Limit)));
}

#[tokio::test]
async fn of_several_keys_all_are_granted_or_none() {
    let db = TestDb::new().await;
    let (wide, narrow) = (limit(60_000, 10), limit(60_000, 2));
    for left in [1, 0] {
        let taken = take_each(&db, &[("wide", wide, 3), ("narrow", narrow, 1)]).await;
        assert!(taken.iter().all(|taken| taken.granted));
        assert_eq!(taken[1].left, left);
    }
    let taken = take_each(&db, &[("wide", wide, 3), ("narrow", narrow, 1)]).await;
    assert!(taken.iter().all(|taken| !taken.granted), "{taken:?}");
    assert!(taken[0].retry_after.is_none() && taken[1].retry_after.is_some());
    assert_eq!(take(&db, "wide", wide).await.left, 3, "it was not charged");
    let lowered = take(&db, "wide", narrow).await;
    assert!(!lowered.granted && lowered.left == 0);
    let least = Duration::from_secs(60 * 5);
    assert!(
        lowered.retry_after.unwrap() > least,
        "seven are owed: {lowered:?}"
    );
}

#[tokio::test]
async fn one_of_two_keys_that_loses_a_race_is_denied_alone() {
    let db = TestDb::new().await;
    let narrow = limit(60_000, 1);
    take(&db, "narrow", narrow).await;
    sqlx::query("UPDATE api_limit SET tat = now() - interval '1 hour'")
        .execute(db.app())
        .await
        .unwrap();
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    sqlx::query("UPDATE api_limit SET tat = now() + interval '1 minute'")
        .execute(&mut *tx)
        .await
        .unwrap();
    let asks = [("wide", limit(60_000, 5), 1), ("narrow", narrow, 1)];
    let (taken, ()) = tokio::join!(take_each(&db, &asks), async {
        until_somebody_is_blocked(&db).await;
        tx.commit().await.unwrap();
    });
    assert!(taken[0].granted && !taken[1].granted, "{taken:?}");
    assert_eq!(taken[1].retry_after, None);
}

#[tokio::test]
async fn denials_write_nothing() {
    let db = TestDb::new().await;
    let limit = limit(60_000, 1);
    take(&db, "k", limit).await;
    let version = "SELECT string_agg(ctid::text || xmin::text || xmax::text, ',') FROM api_limit";
    let before: String = sqlx::query_scalar(version)
        .fetch_one(db.app())
        .await
        .unwrap();
    for _ in 0..5 {
        assert!(!take(&db, "k", limit).await.granted);
        let both = take_each(&db, &[("k", limit, 1), ("new", limit, 1)]).await;
        assert!(both.iter().all(|taken| !taken.granted));
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
            passed += u32::from(take(&db, "hot", limit).await.granted);
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
    take(&db, "k", limit).await;
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM api_limit FOR UPDATE")
        .execute(&mut *tx)
        .await
        .unwrap();
    let (a, b, ()) = tokio::join!(take(&db, "k", limit), take(&db, "k", limit), async {
        until_somebody_is_blocked(&db).await;
        tx.commit().await.unwrap();
    });
    assert_eq!(u8::from(a.granted) + u8::from(b.granted), 1);
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
    take(&db, "k", limit(10, 1)).await;
    assert_eq!(prune_limits(db.app()).await.unwrap(), 0);
    sqlx::query("UPDATE api_limit SET tat = now() - interval '2 hours'")
        .execute(db.app())
        .await
        .unwrap();
    assert_eq!(prune_limits(db.app()).await.unwrap(), 1);
}
