//! Lists: filters, pages, cursors.

use certmill_service::Role;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::fixture::{Api, csr_for, send};

async fn fill(api: &Api, names: &[String]) {
    let items: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "csr": csr_for(name)}))
        .collect();
    let answer = api
        .post("/api/v1/certificates:bulk", &json!({"certificates": items}))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["accepted"], names.len());
}

#[tokio::test]
async fn a_walk_during_inserts_sees_each_row_once() {
    let api = Api::start().await;
    let names: Vec<String> = (0..25).map(|n| format!("h{n}.example")).collect();
    fill(&api, &names).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/certificates?limit=4".to_owned();
    for page in 0.. {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text.contains("BEGIN CERTIFICATE"));
        let json = answer.json();
        let rows = json["data"].as_array().unwrap();
        seen.extend(
            rows.iter()
                .map(|row| row["name"].as_str().unwrap().to_owned()),
        );
        fill(&api, &[format!("new{page}.example")]).await;
        if json["next_cursor"].is_null() {
            assert_eq!(json["has_more"], false);
            break;
        }
        let link = answer.header("link");
        path = link
            .strip_prefix('<')
            .unwrap()
            .split_once('>')
            .unwrap()
            .0
            .to_owned();
        assert!(path.ends_with(&format!("cursor={}", json["next_cursor"].as_str().unwrap())));
        assert!(page < 30);
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len());
    assert!(names.iter().all(|name| unique.contains(name)));
}

#[tokio::test]
async fn cursors_are_bound_to_list_filter_and_key() {
    let api = Api::start().await;
    fill(&api, &["a.example".to_owned(), "b.example".to_owned()]).await;
    let page = api
        .get("/api/v1/certificates?limit=1&status=pending")
        .await
        .json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let good = format!("/api/v1/certificates?limit=1&status=pending&cursor={cursor}");
    assert_eq!(api.get(&good).await.status, 200);
    for place in 0..cursor.len() {
        let changed = if cursor[place..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        let tampered = format!("{}{changed}{}", &cursor[..place], &cursor[place + 1..]);
        let bad = format!("/api/v1/certificates?limit=1&status=pending&cursor={tampered}");
        api.get(&bad).await.is(400, "invalid_cursor");
    }
    for bad in [
        format!("/api/v1/certificates?cursor={cursor}"),
        format!("/api/v1/certificates?status=issued&cursor={cursor}"),
        format!("/api/v1/jobs?cursor={cursor}"),
        format!("/api/v1/profiles?cursor={cursor}"),
        "/api/v1/issuers?cursor=".to_owned(),
        format!("/api/v1/certificates?cursor={}", "9".repeat(4000)),
    ] {
        api.get(&bad).await.is(400, "invalid_cursor");
    }
    send(api.call(Method::GET, &good, Role::Admin))
        .await
        .is(400, "invalid_cursor");
}

#[tokio::test]
async fn filters_are_known_words() {
    let api = Api::start().await;
    fill(
        &api,
        &[
            "a.example".to_owned(),
            "b.example".to_owned(),
            "c.example".to_owned(),
        ],
    )
    .await;
    let found = api
        .get("/api/v1/certificates?name=a.example&name=c.example")
        .await
        .json();
    assert_eq!(found["data"].as_array().unwrap().len(), 2);
    for (bad, words) in [
        ("certificates?statsu=pending", "did you mean `status`?"),
        ("certificates?status=fine", "pending, issued, failed"),
        ("certificates?limit=501", "1..500"),
        ("certificates?limit=0", "1..500"),
        ("jobs?state=done", "?state"),
        ("jobs?stat=running", "did you mean `state`?"),
        ("issuers?name=x", "?name"),
        ("certificates?name=%00", "NUL"),
    ] {
        let answer = api.get(&format!("/api/v1/{bad}")).await;
        answer.is(400, "invalid_query");
        assert!(answer.text.contains(words), "{answer:?}");
    }
    let jobs = api
        .get("/api/v1/jobs?state=available&kind=issue&queue=issue:local&limit=2")
        .await;
    assert_eq!(jobs.status, 200, "{jobs:?}");
    let profiles = api.get("/api/v1/profiles?limit=1").await.json();
    assert_eq!(profiles["has_more"], true);
    let issuers = api.get("/api/v1/issuers").await.json();
    assert_eq!(issuers["data"][0]["name"], "local");
}
