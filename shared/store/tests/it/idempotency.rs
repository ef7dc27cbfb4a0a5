//! Idempotency keys: a twin waits for the first and answers what it answered.

use certmill_store::idempotency::{self, Reservation};
use certmill_testkit::TestDb;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::rig::*;

async fn reserve(conn: &mut PgConnection, body: u8) -> Reservation {
    idempotency::reserve(conn, "key_1", "POST /x", "abc", &[body; 32])
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_answers_again_and_refuses_another_body() {
    let db = TestDb::new().await;
    let mut tx = certmill_pg::begin(db.app()).await.unwrap();
    assert_eq!(reserve(&mut tx, 1).await, Reservation::Fresh);
    idempotency::store(&mut tx, "key_1", "POST /x", "abc", &json!([1]))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut conn = db.app().acquire().await.unwrap();
    assert_eq!(reserve(&mut conn, 1).await, Reservation::Replay(json!([1])));
    assert_eq!(reserve(&mut conn, 2).await, Reservation::Mismatch);
    for (principal, route, key) in [
        ("key_2", "POST /x", "abc"),
        ("key_1", "POST /y", "abc"),
        ("key_1", "POST /x", "d"),
    ] {
        let other = idempotency::reserve(&mut conn, principal, route, key, &[1; 32])
            .await
            .unwrap();
        assert_eq!(other, Reservation::Fresh, "{principal} {route} {key}");
    }
}

/// The first reserves, the twin waits; then the first ends by `commits`.
async fn twin_of(commits: bool) -> Reservation {
    let db = TestDb::new().await;
    let mut first = certmill_pg::begin(db.app()).await.unwrap();
    assert_eq!(reserve(&mut first, 1).await, Reservation::Fresh);
    let mut session = db.session().await;
    let waiter = pid(&mut session).await;
    let mut second = session.begin().await.unwrap();
    let (twin, ()) = tokio::join!(reserve(&mut second, 1), async {
        until_blocked(&db, waiter).await;
        idempotency::store(&mut first, "key_1", "POST /x", "abc", &json!("first"))
            .await
            .unwrap();
        if commits {
            first.commit().await.unwrap();
        } else {
            first.rollback().await.unwrap();
        }
    });
    twin
}

#[tokio::test]
async fn a_concurrent_twin_waits_and_answers_what_the_first_did() {
    assert_eq!(twin_of(true).await, Reservation::Replay(json!("first")));
}

#[tokio::test]
async fn a_twin_of_a_first_that_broke_off_does_the_work() {
    assert_eq!(twin_of(false).await, Reservation::Fresh);
}

#[tokio::test]
async fn keys_older_than_a_day_are_forgotten_in_steps() {
    let db = TestDb::new().await;
    sqlx::query(
        "INSERT INTO idempotency_key (principal, route, key, body_sha256, response, created_at) \
         SELECT 'p', 'r', n::text, '', '{}', now() - n * interval '5 hours' FROM generate_series(1, 10) n",
    )
    .execute(db.app())
    .await
    .unwrap();
    let mut conn = db.app().acquire().await.unwrap();
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(idempotency::forget_old(&mut conn, 4).await.unwrap());
    }
    assert_eq!(gone, [4, 2, 0], "5 to 20 hours are kept, 25 to 50 go");
}
