//! Many jobs at once: plans, operations, and wishes that are refused.

use certmill_service::Role;
use http::Method;
use serde_json::json;

use crate::fixture::{Api, csr_for, send};

const BULK: &str = "/api/v1/jobs/bulk";

async fn asked(api: &Api, name: &str) -> String {
    let body = json!({"name": name, "csr": csr_for(name)});
    let made = api.post("/api/v1/certificates", &body).await.json();
    made["job"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_plan_says_what_an_operation_would_mean_and_changes_nothing() {
    let api = Api::start().await;
    let job = asked(&api, "a.example").await;
    let mut wish = json!({"verb": "cancel", "selector": {"kinds": ["issue"]}, "dry_run": true});
    let plan = api.post(BULK, &wish).await;
    assert_eq!(plan.status, 200, "{plan:?}");
    let told = json!({"count": 1, "count_is_least": false, "samples": [job]});
    assert_eq!(plan.json(), told);
    assert_eq!(
        api.get("/api/v1/operations").await.json()["data"],
        json!([])
    );
    wish["dry_run"] = json!(false);
    let keyed = || {
        let call = api.call(Method::POST, BULK, Role::Operator).json(&wish);
        send(call.header("idempotency-key", "k1"))
    };
    let (first, again) = (keyed().await, keyed().await);
    assert_eq!((first.status, again.status), (202, 202), "{first:?}");
    assert_eq!(again.header("idempotency-replayed"), "true");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(again.json()["id"], id.as_str());
    assert_eq!(first.header("location"), format!("/api/v1/operations/{id}"));
    assert_eq!(first.json()["total"], 1);
    let listed = api.get("/api/v1/operations?state=queued").await.json();
    assert_eq!(listed["data"][0]["id"], id.as_str());
    let abort = format!("/api/v1/operations/{id}/abort");
    let aborted = api.post(&abort, &json!({"reason": "no"})).await.json();
    assert_eq!(aborted["abort_requested"], true);
}

#[tokio::test]
async fn wishes_that_cannot_be_meant_are_refused_with_all_faults() {
    let api = Api::start().await;
    for (wish, code, words) in [
        (
            json!({"verb": "cancel", "selector": {}}),
            "empty_selector",
            "every job",
        ),
        (
            json!({"verb": "delete", "selector": {"kinds": ["issue"]}}),
            "unknown_word",
            "retry, cancel, move",
        ),
        (
            json!({"verb": "retry", "selector": {"states": ["discardd"]}}),
            "unknown_word",
            "`discarded`",
        ),
        (
            json!({"verb": "retry", "selector": {"states": ["running"]}}),
            "state_not_meant",
            "running",
        ),
        (
            json!({"verb": "retry", "selector": {"queues": ["isue:local"]}}),
            "unknown_lane",
            "`issue:local`",
        ),
        (
            json!({"verb": "retry", "selector": {"kinds": ["isue"]}}),
            "unknown_kind",
            "`issue`",
        ),
        (
            json!({"verb": "retry", "selector": {"ids": ["7"]}}),
            "invalid_id",
            "job_",
        ),
        (
            json!({"verb": "retry", "selector": {"queus": ["x"]}}),
            "unknown_field",
            "`queues`",
        ),
        (
            json!({"verb": "retry", "selector": {"created_after": "+10000-01-01T00:00:00Z"}}),
            "not_an_instant",
            "RFC 3339",
        ),
        (
            json!({"verb": "move", "selector": {"kinds": ["issue"]}}),
            "missing_field",
            "to_queue",
        ),
        (
            json!({"verb": "move", "selector": {"kinds": ["issue"]}, "to_priority": 5}),
            "out_of_bounds",
            "0..4",
        ),
        (
            json!({"verb": "retry", "selector": {"kinds": ["a\0"]}}),
            "nul_character",
            "NUL",
        ),
    ] {
        let answer = api.post(BULK, &wish).await;
        answer.is(400, "invalid_request");
        let problem = answer.json();
        assert_eq!(problem["errors"][0]["code"], code, "{answer:?}");
        assert!(
            problem["errors"][0]["detail"]
                .as_str()
                .unwrap()
                .contains(words),
            "{answer:?}"
        );
    }
    assert_eq!(
        api.get("/api/v1/operations").await.json()["data"],
        json!([])
    );
}

#[tokio::test]
async fn jobs_are_listed_under_lanes_and_kinds_that_exist() {
    let api = Api::start().await;
    for (query, words) in [
        ("queue=issue:locl", "`issue:local`"),
        ("kind=isue", "`issue`"),
        ("state=runing", "running"),
    ] {
        let answer = api.get(&format!("/api/v1/jobs?{query}")).await;
        answer.is(400, "invalid_query");
        assert!(answer.text.contains(words), "{answer:?}");
    }
    // What a newer build enqueued is listed, though this one does not know it.
    sqlx::query("INSERT INTO job (team_id, queue, kind) VALUES (1, 'internal', 'from_the_future')")
        .execute(api.db.owner())
        .await
        .unwrap();
    let found = api.get("/api/v1/jobs?kind=from_the_future").await.json();
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_has_ended_is_not_cancelled_and_what_runs_is_not_repeated() {
    let api = Api::start().await;
    let job = asked(&api, "a.example").await;
    let act = async |what: &str| {
        api.post(&format!("/api/v1/jobs/{job}/{what}"), &json!({}))
            .await
    };
    sqlx::query(
        "UPDATE job SET state = 1, worker_id = 0, lease_token = 1, deadline_at = now() + interval '1 h'",
    )
    .execute(api.db.owner())
    .await
    .unwrap();
    act("retry").await.is(409, "job_running");
    let asked = act("cancel").await.json();
    assert_eq!(
        (&asked["state"], &asked["waiting_on"]["code"]),
        (&json!("running"), &json!("cancelling"))
    );
    sqlx::query("UPDATE job SET state = 0, cancel_requested = false")
        .execute(api.db.owner())
        .await
        .unwrap();
    assert_eq!(act("cancel").await.json()["state"], "cancelled");
    let late = act("cancel").await;
    late.is(409, "job_ended");
    assert!(late.text.contains("cancelled"), "{late:?}");
}
