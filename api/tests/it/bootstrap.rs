//! The door of the first admin over HTTPS: one gets through, and it stays closed.

use certmill_api::Bound;
use certmill_crypto::token::ApiKey;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, Wish, send};

const TOKEN: &str = "3f9a0c5e7b1d2486f0e1d2c3b4a59687";

/// An API whose door is open: the fixture's own keys are taken away.
async fn start() -> Api {
    let wish = Wish {
        bootstrap_token: Some(TOKEN),
        ..Wish::default()
    };
    let api = Api::start_with(wish).await;
    sqlx::query("DELETE FROM api_key")
        .execute(api.db.owner())
        .await
        .unwrap();
    api
}

async fn ask(api: &Api, replica: &Bound, body: &Value) -> Answer {
    let url = api.url_at(replica, "/api/v1/bootstrap");
    send(api.http.post(url).json(body)).await
}

async fn opens(api: &Api, key: &str) -> bool {
    let request = api.http.get(api.url("/api/v1/keys")).bearer_auth(key);
    send(request).await.status == 200
}

#[tokio::test]
async fn one_of_two_replicas_makes_the_first_admin() {
    let api = start().await;
    let other = api.replica(Some(TOKEN)).await;
    let body = json!({"token": TOKEN});
    let answers = tokio::join!(
        ask(&api, &api.bound, &body),
        ask(&api, &other, &body),
        ask(&api, &api.bound, &body),
        ask(&api, &other, &body),
    );
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    assert_eq!(made.len(), 1, "{answers:?}");
    for answer in refused {
        answer.is(409, "bootstrap_closed");
    }
    assert!(opens(&api, made[0].json()["secret"].as_str().unwrap()).await);
    assert_eq!(made[0].json()["key"]["role"], "admin");
    // A restart with the same file.
    let restarted = api.replica(Some(TOKEN)).await;
    ask(&api, &restarted, &body)
        .await
        .is(409, "bootstrap_closed");
    let actions: Vec<(String, String)> =
        sqlx::query_as("SELECT action, actor FROM audit WHERE action LIKE 'key.%'")
            .fetch_all(api.db.owner())
            .await
            .unwrap();
    assert_eq!(
        actions,
        [("key.bootstrap".to_owned(), "system:bootstrap".to_owned())]
    );
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_limited() {
    let api = start().await;
    let wrong = TOKEN.replace('3', "4");
    for n in 0..9 {
        let answer = ask(&api, &api.bound, &json!({"token": wrong})).await;
        if n < 5 {
            answer.is(401, "bootstrap_token_wrong");
        } else {
            answer.is(429, "rate_limited");
        }
        assert!(!answer.text.contains(&wrong));
    }
    // The limit holds for the right one, too: it cannot be found by trying.
    ask(&api, &api.bound, &json!({"token": TOKEN}))
        .await
        .is(429, "rate_limited");
}

#[tokio::test]
async fn a_key_of_ones_own_survives_a_lost_answer() {
    let api = start().await;
    let key = ApiKey::generate().unwrap();
    let body = json!({"token": TOKEN, "name": "me", "key": key.expose()});
    let first = ask(&api, &api.bound, &body).await;
    let second = ask(&api, &api.bound, &body).await;
    assert_eq!((first.status, second.status), (201, 201), "{second:?}");
    assert_eq!(first.json()["key"]["id"], second.json()["key"]["id"]);
    assert!(!first.text.contains("secret") && !first.text.contains(key.expose()));
    assert!(opens(&api, key.expose()).await);
}

#[tokio::test]
async fn without_a_token_or_with_an_admin_there_is_no_door() {
    let api = Api::start().await;
    ask(&api, &api.bound, &json!({"token": TOKEN}))
        .await
        .is(409, "bootstrap_closed");
    let with_token = api.replica(Some(TOKEN)).await;
    ask(&api, &with_token, &json!({"token": TOKEN}))
        .await
        .is(409, "bootstrap_closed");
}

#[tokio::test]
async fn bad_bodies_open_nothing() {
    let api = start().await;
    for body in [
        json!({}),
        json!({"token": 5}),
        json!({"token": TOKEN, "role": "admin"}),
        json!({"token": TOKEN, "key": "cm_short"}),
        json!({"token": TOKEN, "name": "a b"}),
    ] {
        ask(&api, &api.bound, &body)
            .await
            .is(400, "invalid_request");
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM api_key")
        .fetch_one(api.db.owner())
        .await
        .unwrap();
    assert_eq!(count, 0);
}
