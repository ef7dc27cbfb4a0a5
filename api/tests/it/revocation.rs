//! How fast an ended key stops, on each replica, and what a stalled database does to that.

use std::time::{Duration, Instant};

use certmill_api::Bound;
use certmill_service::Role;
use http::Method;
use serde_json::{Value, json};

use crate::fixture::{Api, send};

const BOUND: Duration = Duration::from_secs(5);

async fn new_key(api: &Api) -> (String, String) {
    let body = json!({"name": "ci", "role": "viewer"});
    let made = api.post("/api/v1/keys", &body).await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["key"]["id"]), text(&made["secret"]))
}

async fn status(api: &Api, replica: &Bound, secret: &str) -> u16 {
    let url = api.url_at(replica, "/api/v1/version");
    send(api.http.get(url).bearer_auth(secret)).await.status
}

#[tokio::test]
async fn a_revoked_key_stops_on_each_replica_within_five_seconds() {
    let api = Api::start().await;
    let other = api.replica(None).await;
    let (id, secret) = new_key(&api).await;
    for replica in [&api.bound, &other] {
        assert_eq!(status(&api, replica, &secret).await, 200);
    }
    let revoke = api.call(
        Method::POST,
        &format!("/api/v1/keys/{id}/revoke"),
        Role::Admin,
    );
    assert_eq!(send(revoke).await.status, 200);
    let revoked = Instant::now();
    // Where it was revoked, it has ended by the next request.
    assert_eq!(status(&api, &api.bound, &secret).await, 401);
    while status(&api, &other, &secret).await != 401 {
        assert!(revoked.elapsed() < BOUND);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for replica in [&api.bound, &other] {
        for _ in 0..20 {
            assert_eq!(status(&api, replica, &secret).await / 100, 4);
        }
    }
}

#[tokio::test]
async fn no_replica_lets_an_expired_key_in() {
    let api = Api::start().await;
    let other = api.replica(None).await;
    let (_, secret) = new_key(&api).await;
    sqlx::query(
        "UPDATE api_key SET expires_at = clock_timestamp() + interval '1500 ms' WHERE name = 'ci'",
    )
    .execute(api.db.owner())
    .await
    .unwrap();
    let (mut before, mut after) = (0, 0);
    while after < 10 {
        let is_over: bool = sqlx::query_scalar(
            "SELECT expires_at <= clock_timestamp() FROM api_key WHERE name = 'ci'",
        )
        .fetch_one(api.db.owner())
        .await
        .unwrap();
        for replica in [&api.bound, &other] {
            let status = status(&api, replica, &secret).await;
            if is_over {
                assert_ne!(status, 200);
                after += 1;
            } else if status == 200 {
                before += 1;
            }
        }
    }
    assert!(before > 2, "it was remembered before it ended: {before}");
}

/// The table of keys is held by somebody else, as a stalled database would hold it, and the key
/// ends meanwhile: what was remembered runs out, and looks that take too long let nobody in.
#[tokio::test]
async fn a_stalled_database_extends_no_life() {
    let api = Api::start().await;
    let (_, secret) = new_key(&api).await;
    assert_eq!(status(&api, &api.bound, &secret).await, 200);
    let mut holder = api.db.owner_session().await;
    for statement in ["BEGIN", "LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE"] {
        sqlx::query(statement).execute(&mut holder).await.unwrap();
    }
    sqlx::query("UPDATE api_key SET revoked_at = now() WHERE name = 'ci'")
        .execute(&mut holder)
        .await
        .unwrap();
    let stalled = Instant::now();
    loop {
        let began = stalled.elapsed();
        match status(&api, &api.bound, &secret).await {
            200 => assert!(began < Duration::from_secs(2), "still in after {began:?}"),
            503 => break,
            other => panic!("{other} after {began:?}"),
        }
    }
    // It waited for the look as long as an answer would have been of use, and no longer.
    assert!(stalled.elapsed() < Duration::from_secs(8));
    sqlx::query("COMMIT").execute(&mut holder).await.unwrap();
    assert_eq!(status(&api, &api.bound, &secret).await, 401);
}
