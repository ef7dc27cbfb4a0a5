//! Bodies of every wrong sort, each with its answer.

use certmill_service::Role;
use http::Method;
use serde_json::json;

use crate::fixture::{Api, send};

const PATH: &str = "/api/v1/certificates";

#[tokio::test]
async fn what_is_not_json_names_line_and_column() {
    let api = Api::start().await;
    for body in [
        "",
        "nope",
        "{\"name\":\"a.example\"} x",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"name\":NaN}",
        "{\"name\":1e400}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"a",
    ] {
        let answer = api.post_text(PATH, body).await;
        answer.is(400, "invalid_json");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("line") && detail.contains("column"),
            "{detail}"
        );
    }
    let deep = format!(
        "{{\"name\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    api.post_text(PATH, deep).await.is(400, "invalid_json");
}

#[tokio::test]
async fn all_faults_of_a_body_come_at_once() {
    let api = Api::start().await;
    let answer = api
        .post_text(PATH, r#"{"sans":["ok",5],"profil":"x","csr":"a\u0000b"}"#)
        .await;
    answer.is(400, "invalid_request");
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    let pointers: Vec<&str> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        ["/name", "/sans/1", "/csr", "/profil"],
        "{answer:?}"
    );
    assert!(answer.text.contains("did you mean `profile`?"));
    let answer = api
        .post(
            PATH,
            &json!({"name": "bad_name.example", "sans": ["*.com", "ok.example"]}),
        )
        .await;
    answer.is(400, "invalid_request");
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    let pointers: Vec<&str> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["/name", "/sans/0"], "{answer:?}");
    let answer = api
        .post(PATH, &json!({"name": "a.example", "profile": "nope"}))
        .await;
    assert_eq!(
        answer.json()["errors"][0]["code"],
        "profile_unknown",
        "{answer:?}"
    );
}

#[tokio::test]
async fn other_media_types_and_sizes_are_refused() {
    let api = Api::start().await;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/jsonp"),
    ] {
        let request = api
            .call(Method::POST, PATH, Role::Admin)
            .header(name, value)
            .body("{}");
        send(request).await.is(415, "unsupported_media_type");
    }
    send(api.call(Method::POST, PATH, Role::Admin))
        .await
        .is(415, "unsupported_media_type");
    let zipped = api
        .call(Method::POST, PATH, Role::Admin)
        .header("content-encoding", "gzip")
        .json(&json!({}));
    send(zipped).await.is(415, "unsupported_media_type");
    let charset = api.call(Method::POST, PATH, Role::Admin);
    let charset = charset
        .header("content-type", "Application/JSON; charset=utf-8")
        .body("{}");
    send(charset).await.is(400, "invalid_request");
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(2 << 20));
    api.post_text(PATH, large).await.is(413, "body_too_large");
}

#[tokio::test]
async fn who_is_refused_before_the_body_was_read_still_gets_the_answer() {
    let api = Api::start().await;
    let root = reqwest::Certificate::from_pem(api.root.pem().as_bytes()).unwrap();
    let old = reqwest::Client::builder()
        .tls_certs_only([root])
        .http1_only();
    let old = old.build().unwrap();
    for _ in 0..10 {
        let body = "x".repeat(1_000_000);
        let stranger = old.post(api.url(PATH)).body(body.clone());
        send(stranger).await.is(401, "unauthenticated");
        let viewer = old.post(api.url(PATH)).body(body);
        let viewer = viewer.bearer_auth(api.key(Role::Viewer));
        send(viewer).await.is(403, "forbidden");
        let large = old.post(api.url(PATH)).body("x".repeat(3 << 20));
        let large = large
            .bearer_auth(api.key(Role::Admin))
            .header("content-type", "application/json");
        send(large).await.is(413, "body_too_large");
    }
}

#[tokio::test]
async fn an_action_takes_no_body_or_a_known_one() {
    let api = Api::start().await;
    let path = "/api/v1/jobs/job_0000000000009/cancel";
    send(api.call(Method::POST, path, Role::Admin))
        .await
        .is(404, "not_found");
    api.post(path, &json!({"reason": "test"}))
        .await
        .is(404, "not_found");
    api.post(path, &json!({"reasn": "test"}))
        .await
        .is(400, "invalid_request");
}

#[tokio::test]
async fn profiles_are_checked_and_made() {
    let api = Api::start().await;
    let body = json!({"name": "short", "lifetime_s": 60, "renew": {"fraction": 0.5}, "key_algorithms": ["ed25519"]});
    let made = api.post("/api/v1/profiles", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["key_algorithms"], json!(["ed25519"]));
    api.post("/api/v1/profiles", &body)
        .await
        .is(409, "profile_exists");
    for (change, place) in [
        (json!({"lifetime_s": 5}), "/lifetime_s"),
        (json!({"key_algorithms": ["dsa"]}), "/key_algorithms/0"),
        (json!({"key_source": "cloud"}), "/key_source"),
        (json!({"issuer": "nobody"}), "/issuer"),
        (json!({"name": "No Good"}), "/name"),
        (json!({"renew": {}}), "/renew"),
        (json!({"lifetime_s": i64::MAX}), "/lifetime_s"),
        (json!({"renew": {"before_s": i64::MIN}}), "/renew"),
    ] {
        let mut body = body.clone();
        body["name"] = json!("other");
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let answer = api.post("/api/v1/profiles", &body).await;
        answer.is(400, "invalid_request");
        let errors = answer.json()["errors"].clone();
        assert!(
            errors
                .as_array()
                .unwrap()
                .iter()
                .any(|error| error["pointer"] == place),
            "{answer:?}"
        );
    }
}
