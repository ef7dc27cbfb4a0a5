//! Repeated POSTs.

use certmill_service::Role;
use http::Method;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, csr_for, send};

async fn request(api: &Api, key: &str, body: &Value) -> Answer {
    let request = api.call(Method::POST, "/api/v1/certificates", Role::Operator);
    send(request.header("idempotency-key", key).json(body)).await
}

fn body(name: &str) -> Value {
    json!({"name": name, "csr": csr_for(name)})
}

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_time() {
    let api = Api::start().await;
    let body = body("a.example");
    let first = request(&api, "k1", &body).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = request(&api, "k1", &body).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (202, "true")
    );
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("location"), first.header("location"));
    request(&api, "k2", &body)
        .await
        .is(409, "certificate_exists");
    let mut other = body.clone();
    other["sans"] = json!(["b.example"]);
    request(&api, "k1", &other)
        .await
        .is(422, "idempotency_mismatch");
    let others = api.call(Method::POST, "/api/v1/certificates", Role::Admin);
    send(others.header("idempotency-key", "k1").json(&body))
        .await
        .is(409, "certificate_exists");
}

#[tokio::test]
async fn keys_of_a_wrong_form_are_refused() {
    let api = Api::start().await;
    let long = "x".repeat(300);
    for key in ["", "a b", "ä", long.as_str()] {
        request(&api, key, &body("a.example"))
            .await
            .is(400, "invalid_idempotency_key");
    }
    let (count, _) = rows(&api).await;
    assert_eq!(count, 0);
}

#[tokio::test]
async fn concurrent_twins_do_the_work_once() {
    let api = Api::start().await;
    let body = body("twin.example");
    let answers = futures_all((0..8).map(|_| request(&api, "twin", &body)).collect()).await;
    for answer in &answers {
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(
            answer.json()["certificate"]["id"],
            answers[0].json()["certificate"]["id"]
        );
    }
    let replayed = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(replayed.count(), 7);
    assert_eq!(rows(&api).await, (1, 1));
}

#[tokio::test]
async fn a_renewal_repeats_too_and_is_bound_to_its_certificate() {
    let api = Api::start().await;
    let ids: Vec<String> = {
        let mut ids = Vec::new();
        for name in ["a.example", "b.example"] {
            let answer = request(&api, name, &body(name)).await;
            ids.push(
                answer.json()["certificate"]["id"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        ids
    };
    let renew = async |id: &str| {
        let path = format!("/api/v1/certificates/{id}/renew");
        send(
            api.call(Method::POST, &path, Role::Operator)
                .header("idempotency-key", "r1"),
        )
        .await
    };
    let first = renew(&ids[0]).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!(renew(&ids[0]).await.header("idempotency-replayed"), "true");
    renew(&ids[1]).await.is(422, "idempotency_mismatch");
}

#[tokio::test]
async fn a_twin_that_hangs_is_said_to_be_at_work() {
    let api = Api::start().await;
    let (body, key) = (body("a.example"), "hangs");
    let first = request(&api, "other", &body).await;
    assert_eq!(first.status, 202);
    let mut twin = api.db.session().await;
    sqlx::query("BEGIN").execute(&mut twin).await.unwrap();
    sqlx::query(
        "INSERT INTO idempotency_key (principal, route, key, body_sha256)
         SELECT principal, route, $1, body_sha256 FROM idempotency_key",
    )
    .bind(key)
    .execute(&mut twin)
    .await
    .unwrap();
    let second = request(&api, key, &body).await;
    second.is(409, "idempotency_in_progress");
    assert_eq!(
        (
            second.json()["retryable"].as_bool(),
            second.header("retry-after")
        ),
        (Some(true), "1")
    );
}

async fn rows(api: &Api) -> (i64, i64) {
    sqlx::query_as("SELECT (SELECT count(*) FROM certificate), (SELECT count(*) FROM job)")
        .fetch_one(api.db.owner())
        .await
        .unwrap()
}

async fn futures_all<F: Future<Output = Answer>>(futures: Vec<F>) -> Vec<Answer> {
    futures::future::join_all(futures).await
}
