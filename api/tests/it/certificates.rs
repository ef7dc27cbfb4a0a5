//! Requests, jobs and the cluster as clients see them before anything is issued.

use std::time::{Duration, Instant};

use certmill_service::Role;
use http::Method;
use serde_json::json;

use crate::fixture::{Api, csr_for, send, until};
use crate::issuing::issue;

#[tokio::test]
async fn a_request_is_accepted_and_its_job_can_be_watched() {
    let api = Api::start().await;
    let body = json!({"name": "shop.example", "sans": ["www.shop.example"], "csr": csr_for("shop.example")});
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = api
        .call(Method::POST, "/api/v1/certificates", Role::Operator)
        .json(&body);
    let answer =
        send(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let json = answer.json();
    let (id, job) = (
        json["certificate"]["id"].as_str().unwrap(),
        json["job"]["id"].as_str().unwrap(),
    );
    assert_eq!(answer.header("location"), format!("/api/v1/jobs/{job}"));
    assert_eq!(json["certificate"]["status"], "pending");
    assert_eq!(json["certificate"]["waiting_on"]["code"], "worker");
    assert_eq!(
        json["certificate"]["sans"],
        json!(["shop.example", "www.shop.example"])
    );
    assert_eq!(json["certificate"]["job"], job);
    let shown = api.get(&format!("/api/v1/jobs/{job}")).await.json();
    assert_eq!(
        (shown["trace_id"].as_str(), shown["object"].as_str()),
        (Some(trace), Some(id))
    );
    api.get(&format!("/api/v1/certificates/{id}/chain"))
        .await
        .is(409, "not_issued");
    api.post("/api/v1/certificates", &body)
        .await
        .is(409, "certificate_exists");
    let key = send(api.call(
        Method::GET,
        &format!("/api/v1/certificates/{id}/key"),
        Role::Admin,
    ))
    .await;
    key.is(409, "key_not_here");
    let renewed = api
        .post(&format!("/api/v1/certificates/{id}/renew"), &json!({}))
        .await;
    assert_eq!(
        (renewed.status, renewed.json()["job"]["id"].as_str()),
        (202, Some(job)),
        "{renewed:?}"
    );
}

#[tokio::test]
async fn a_job_is_cancelled_and_retried() {
    let api = Api::start().await;
    let body = json!({"name": "a.example", "csr": csr_for("a.example")});
    let made = api.post("/api/v1/certificates", &body).await.json();
    let job = made["job"]["id"].as_str().unwrap().to_owned();
    let cancelled = api
        .post(&format!("/api/v1/jobs/{job}/cancel"), &json!({}))
        .await;
    assert_eq!(
        (cancelled.status, cancelled.json()["state"].as_str()),
        (200, Some("cancelled"))
    );
    api.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({}))
        .await
        .is(409, "job_ended");
    let retried = api
        .post(&format!("/api/v1/jobs/{job}/retry"), &json!({}))
        .await;
    assert_eq!(
        (retried.status, retried.json()["state"].as_str()),
        (200, Some("available")),
        "{retried:?}"
    );
    assert_ne!(retried.json()["id"], job.as_str());
}

#[tokio::test]
async fn many_are_asked_for_at_once_each_with_its_outcome() {
    let api = Api::start().await;
    let item = |name: &str| json!({"name": name, "csr": csr_for("a.example")});
    let body = json!({"certificates": [item("a.example"), item("bad_name"), item("a.example"), {"name": "b.example"}]});
    let answer = api.post("/api/v1/certificates:bulk", &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let json = answer.json();
    assert_eq!(
        (json["accepted"].as_u64(), json["refused"].as_u64()),
        (Some(1), Some(3))
    );
    let codes: Vec<_> = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["problem"]["code"].clone())
        .collect();
    assert_eq!(
        codes,
        [
            json!(null),
            json!("invalid_request"),
            json!("certificate_exists"),
            json!("invalid_request")
        ]
    );
    assert_eq!(
        json["items"][3]["problem"]["errors"][0]["pointer"],
        "/certificates/3/csr"
    );
    let again = api.post("/api/v1/certificates:bulk", &body).await;
    assert_eq!(
        (again.status, again.json()["accepted"].as_u64()),
        (200, Some(0))
    );
    api.post("/api/v1/certificates:bulk", &json!({"certificates": []}))
        .await
        .is(400, "invalid_request");
    let many: Vec<_> = (0..1001)
        .map(|n| json!({"name": format!("h{n}.example")}))
        .collect();
    api.post("/api/v1/certificates:bulk", &json!({"certificates": many}))
        .await
        .is(400, "invalid_request");
}

#[tokio::test]
async fn what_was_issued_is_shown() {
    let api = Api::start().await;
    let body = json!({"name": "a.example", "csr": csr_for("a.example")});
    let made = api.post("/api/v1/certificates", &body).await.json();
    let id = made["certificate"]["id"].as_str().unwrap().to_owned();
    issue(&api, &id, time::Duration::HOUR).await;
    let shown = api.get(&format!("/api/v1/certificates/{id}")).await.json();
    assert_eq!(
        (shown["status"].as_str(), shown["generation"].as_i64()),
        (Some("issued"), Some(1)),
        "{shown}"
    );
    assert!(shown["renew_at"].as_str().unwrap().ends_with('Z'));
    let versions = api
        .get(&format!("/api/v1/certificates/{id}/versions"))
        .await
        .json();
    assert_eq!(versions["data"][0]["id"], shown["version"]["id"]);
    let chain = api.get(&format!("/api/v1/certificates/{id}/chain")).await;
    assert_eq!(
        chain.header("content-type"),
        "application/pem-certificate-chain"
    );
    assert_eq!(chain.text.matches("BEGIN CERTIFICATE").count(), 2);
}

#[tokio::test]
async fn who_prefers_to_wait_is_answered_when_the_job_ends() {
    let api = Api::start().await;
    let body = json!({"name": "a.example", "csr": csr_for("a.example")});
    let started = Instant::now();
    let request = api.call(Method::POST, "/api/v1/certificates", Role::Operator);
    let answer = send(
        request
            .header("prefer", "respond-async, wait=1")
            .json(&body),
    )
    .await;
    assert_eq!(answer.status, 202, "nobody worked on it: {answer:?}");
    assert!(started.elapsed() >= Duration::from_secs(1));
    let path = format!(
        "/api/v1/jobs/{}/cancel",
        answer.json()["job"]["id"].as_str().unwrap()
    );
    let id = answer.json()["certificate"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let renew = api.call(
        Method::POST,
        &format!("/api/v1/certificates/{id}/renew"),
        Role::Operator,
    );
    let cancel = async {
        let asked = "SELECT count(*) FROM audit WHERE action = 'certificate.renew'";
        let begun = async || {
            let count: i64 = sqlx::query_scalar(asked)
                .fetch_one(api.db.owner())
                .await
                .unwrap();
            count == 1
        };
        until("the renewal", begun).await;
        api.post(&path, &json!({})).await
    };
    let (waited, cancelled) = tokio::join!(send(renew.header("prefer", "wait=20")), cancel);
    assert_eq!(cancelled.status, 200);
    assert_eq!(waited.status, 202, "{waited:?}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "the end of the job ends the wait"
    );
}

#[tokio::test]
async fn a_sealed_key_is_shown_to_admins_and_audited() {
    let api = Api::start().await;
    let profile = json!({"name": "kept", "lifetime_s": 3600, "key_source": "sealed"});
    assert_eq!(api.post("/api/v1/profiles", &profile).await.status, 201);
    let made = api
        .post(
            "/api/v1/certificates",
            &json!({"name": "a.example", "profile": "kept"}),
        )
        .await
        .json();
    let id = made["certificate"]["id"].as_str().unwrap();
    let path = format!("/api/v1/certificates/{id}/key");
    let key = send(api.call(Method::GET, &path, Role::Admin)).await;
    assert!(key.status == 200 && key.text.starts_with("-----BEGIN PRIVATE KEY"));
    assert_eq!(key.header("cache-control"), "no-store");
    send(api.call(Method::GET, &path, Role::Operator))
        .await
        .is(403, "forbidden");
    let audited: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'certificate.export_key'")
            .fetch_one(api.db.owner())
            .await
            .unwrap();
    assert_eq!(audited, 1);
}

#[tokio::test]
async fn the_cluster_and_the_version_are_shown() {
    let api = Api::start().await;
    let cluster = api.get("/api/v1/cluster").await;
    assert_eq!(cluster.status, 200, "{cluster:?}");
    assert_eq!(
        (&cluster.json()["leader"], &cluster.json()["processes"]),
        (&json!(null), &json!([]))
    );
    let version = api.get("/api/v1/version").await.json();
    assert_eq!(version["schema"], certmill_pg::newest_migration());
}
