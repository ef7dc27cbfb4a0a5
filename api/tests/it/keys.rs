//! Keys over HTTPS: shown once, listed, ended, replaced, and noted as used.

use std::time::Duration;

use certmill_service::Role;
use http::Method;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, send};

const KEYS: &str = "/api/v1/keys";

async fn add(api: &Api, name: &str) -> Value {
    let answer = api
        .post(KEYS, &json!({"name": name, "role": "viewer"}))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn by(api: &Api, secret: &Value, path: &str) -> Answer {
    send(
        api.http
            .get(api.url(path))
            .bearer_auth(secret.as_str().unwrap()),
    )
    .await
}

fn id(made: &Value) -> &str {
    made["key"]["id"].as_str().unwrap()
}

async fn admin_get(api: &Api, path: &str) -> Answer {
    send(api.call(Method::GET, path, Role::Admin)).await
}

#[tokio::test]
async fn a_new_key_works_and_is_shown_once() {
    let api = Api::start().await;
    let made = add(&api, "ci").await;
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(by(&api, &made["secret"], "/api/v1/jobs").await.status, 200);
    by(&api, &made["secret"], KEYS).await.is(403, "forbidden");
    let shown = admin_get(&api, &format!("{KEYS}/{}", id(&made))).await;
    let view = shown.json();
    assert_eq!(
        (
            view["name"].clone(),
            view["role"].clone(),
            view["state"].clone()
        ),
        (json!("ci"), json!("viewer"), json!("valid"))
    );
    assert!(secret.starts_with(view["prefix"].as_str().unwrap()));
    assert!(view["created_by"].as_str().unwrap().starts_with("key_"));
    let listed = admin_get(&api, &format!("{KEYS}?name=ci&state=valid")).await;
    assert_eq!(listed.json()["data"], json!([view]));
    for text in [shown.text, listed.text] {
        assert!(!text.contains(&secret[12..]), "the secret is shown again");
    }
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped() {
    let api = Api::start().await;
    for n in 0..4 {
        add(&api, &format!("ci-{n}")).await;
    }
    let mut names = Vec::new();
    let mut path = format!("{KEYS}?limit=3");
    loop {
        let page = admin_get(&api, &path).await.json();
        let rows = page["data"].as_array().unwrap();
        names.extend(
            rows.iter()
                .map(|row| row["name"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{KEYS}?limit=3&cursor={cursor}");
    }
    // The fixture's keys come first, in any order: ids of one millisecond have none.
    names[..3].sort();
    let all = [
        "admin", "operator", "viewer", "ci-0", "ci-1", "ci-2", "ci-3",
    ];
    assert_eq!(names, all);
    admin_get(&api, &format!("{KEYS}?state=live"))
        .await
        .is(400, "invalid_query");
}

#[tokio::test]
async fn a_repeat_shows_no_secret() {
    let api = Api::start().await;
    let body = json!({"name": "ci", "role": "viewer"});
    let ask = async || {
        let request = api.call(Method::POST, KEYS, Role::Admin);
        send(request.header("idempotency-key", "k1").json(&body)).await
    };
    let made = ask().await.json();
    let again = ask().await;
    again.is(409, "secret_shown_once");
    assert!(again.text.contains(id(&made)) && again.text.contains("keys revoke"));
    assert!(!again.text.contains(&made["secret"].as_str().unwrap()[12..]));
    let rotate = async || {
        let path = format!("{KEYS}/{}/rotate", id(&made));
        let request = api.call(Method::POST, &path, Role::Admin);
        send(request.header("idempotency-key", "k1")).await
    };
    assert_eq!(rotate().await.status, 201);
    rotate().await.is(409, "secret_shown_once");
}

#[tokio::test]
async fn a_second_end_answers_as_the_first() {
    let api = Api::start().await;
    let made = add(&api, "ci").await;
    let path = format!("{KEYS}/{}/revoke", id(&made));
    let first = api.post(&path, &json!({"reason": "lost"})).await;
    assert_eq!(
        (first.status, first.json()["state"].clone()),
        (200, json!("revoked")),
        "{first:?}"
    );
    let second = api.post(&path, &json!({})).await;
    assert_eq!((second.status, second.json()), (200, first.json()));
    let own = admin_get(&api, &format!("{KEYS}?name=admin")).await.json();
    let path = format!("{KEYS}/{}/revoke", own["data"][0]["id"].as_str().unwrap());
    api.post(&path, &json!({})).await.is(409, "last_admin_key");
}

#[tokio::test]
async fn both_keys_work_during_the_overlap() {
    let api = Api::start().await;
    let old = add(&api, "ci").await;
    let path = format!("{KEYS}/{}/rotate", id(&old));
    let new = api.post(&path, &json!({"overlap_s": 3600})).await;
    assert_eq!(new.status, 201, "{new:?}");
    let new = new.json();
    assert_eq!(new["replaced"]["id"], old["key"]["id"]);
    assert_eq!(new["key"]["replaces"], old["key"]["id"]);
    for key in [&old, &new] {
        assert_eq!(by(&api, &key["secret"], "/api/v1/jobs").await.status, 200);
    }
    api.post(&path, &json!({})).await.is(409, "key_replaced");
    let path = format!("{KEYS}/{}/rotate", id(&new));
    let third = api.post(&path, &json!({"overlap_s": 0})).await.json();
    by(&api, &new["secret"], "/api/v1/jobs")
        .await
        .is(401, "unauthenticated");
    assert_eq!(by(&api, &third["secret"], "/api/v1/jobs").await.status, 200);
}

#[tokio::test]
async fn bad_bodies_name_all_their_faults() {
    let api = Api::start().await;
    for (body, codes) in [
        (json!({}), vec!["missing_field", "missing_field"]),
        (json!({"name": "ci", "role": "king"}), vec!["role_unknown"]),
        (
            json!({"name": "a b", "role": "viewer", "expires_in_s": 5}),
            vec!["name_form", "out_of_bounds"],
        ),
        (
            json!({"name": "ci", "role": "viewer", "id": "x", "expires_in_s": "1d"}),
            vec!["wrong_type", "unknown_field"],
        ),
    ] {
        let answer = api.post(KEYS, &body).await;
        answer.is(400, "invalid_request");
        let json = answer.json();
        let errors = json["errors"].as_array().unwrap();
        let found: Vec<_> = errors.iter().map(|e| e["code"].as_str().unwrap()).collect();
        assert_eq!(found, codes, "{body}");
    }
    let nothing = format!("{KEYS}/key_{}", "0".repeat(26));
    admin_get(&api, &nothing).await.is(404, "not_found");
    admin_get(&api, &format!("{KEYS}/1"))
        .await
        .is(400, "invalid_id");
}

#[tokio::test]
async fn an_orderly_end_writes_the_last_use() {
    let api = Api::start().await;
    let made = add(&api, "ci").await;
    assert_eq!(by(&api, &made["secret"], "/api/v1/jobs").await.status, 200);
    assert!(api.tasks.shutdown(Duration::from_secs(10)).await);
    let unused: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM api_key WHERE last_used_at IS NULL
         OR last_used_at NOT BETWEEN created_at AND clock_timestamp() ORDER BY id",
    )
    .fetch_all(api.db.owner())
    .await
    .unwrap();
    assert_eq!(unused, ["viewer", "operator"]);
}
