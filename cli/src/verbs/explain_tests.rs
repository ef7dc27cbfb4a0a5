//! What is said about certificates and jobs in each state.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn certificate(more: &Value) -> CertificateView {
    let mut view = json!({ "id": "cert_1", "name": "a.example", "sans": ["a.example"],
        "profile": "default", "issuer": "local", "status": "pending", "generation": 0,
        "version": null, "renew_at": null, "waiting_on": null, "job": null,
        "created_at": "2026-03-01T12:00:00Z" });
    for (key, value) in more.as_object().unwrap() {
        view[key] = value.clone();
    }
    serde_json::from_value(view).unwrap()
}

fn job(state: &str, code: Option<&str>) -> JobView {
    let on = code.map(|code| WaitingOn::new(code, None, Some("connection reset")));
    serde_json::from_value(
        json!({ "id": "job_7", "kind": "issue", "queue": "issue:local",
        "state": state, "priority": 2, "attempt": 3, "max_attempts": 25,
        "run_at": "2026-03-01T12:00:00Z", "created_at": "2026-03-01T12:00:00Z",
        "waiting_on": on, "last_error": "connection reset", "object": "cert_1" }),
    )
    .unwrap()
}

fn on(code: &str) -> Value {
    let until = Some(time::macros::datetime!(2026-03-01 12:05 UTC));
    json!({ "waiting_on": WaitingOn::new(code, until, None) })
}

#[test]
fn each_state_of_a_certificate_has_a_next_command() {
    let retrying = job("retryable", Some(waiting::RETRY));
    for (code, with_job, next) in [
        (waiting::WORKER, None, "certmill status"),
        (waiting::RETRY, Some(&retrying), "certmill jobs retry job_7"),
        (
            waiting::REFUSED,
            None,
            "certmill certs renew a.example --wait",
        ),
        (
            waiting::ATTEMPTS_USED_UP,
            None,
            "certmill certs renew a.example --wait",
        ),
        (
            waiting::EXPIRED,
            None,
            "certmill certs renew a.example --wait",
        ),
        (waiting::RUNNING, None, "certmill certs show a.example"),
        ("a_code_of_tomorrow", None, "certmill certs show a.example"),
    ] {
        let said = of_certificate(&certificate(&on(code)), with_job);
        assert_eq!(said.next_command, next, "{code}");
        assert!(said.because.is_some() && said.owner.is_some(), "{said:?}");
    }
}

#[test]
fn a_retry_is_told_with_its_fault_and_its_time() {
    let retrying = job("retryable", Some(waiting::RETRY));
    let text = sentences(&of_certificate(
        &certificate(&on(waiting::RETRY)),
        Some(&retrying),
    ));
    assert_eq!(
        text,
        "a.example is pending; it has no version yet.\n\
         Why: the last attempt failed and is repeated.\n\
         The next move is certmill's; nobody needs to act, at 2026-03-01 12:05:00Z.\n\
         Attempts: 3 of 25.\n\
         Last fault: connection reset\n\
         Next: certmill jobs retry job_7\n"
    );
}

#[test]
fn earlier_attempts_and_what_people_did_are_told() {
    let mut tried = job("retryable", Some(waiting::RETRY));
    tried.past_attempts = serde_json::from_value(json!([
        { "attempt": 1, "ended_at": "2026-03-01T12:01:00Z", "outcome": "transient",
          "code": "connect", "detail": "connection reset", "worker": "worker-2" },
        { "attempt": 2, "ended_at": "2026-03-01T12:02:00Z", "outcome": "lost_worker",
          "code": "lost_worker" },
    ]))
    .unwrap();
    tried.actions = serde_json::from_value(json!([
        { "at": "2026-03-01T12:03:00Z", "action": "job.retry", "by": "key_1",
          "reason": "the issuer is back" },
    ]))
    .unwrap();
    let text = sentences(&of_job(&tried));
    let wanted = "Attempts: 3 of 25.\n  \
        2026-03-01 12:01:00Z  attempt 1 on worker-2: transient, connect: connection reset\n  \
        2026-03-01 12:02:00Z  attempt 2 on a process that is forgotten: lost_worker\n  \
        2026-03-01 12:03:00Z  job.retry by key_1: the issuer is back\n";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn a_healthy_certificate_moves_when_it_is_renewed() {
    let view = certificate(&json!({ "status": "issued", "generation": 2,
        "renew_at": "2026-04-01T00:00:00Z",
        "version": { "id": "ver_1", "generation": 2, "serial": "0a",
            "not_before": "2026-03-01T00:00:00Z", "not_after": "2026-05-01T00:00:00Z",
            "fingerprint_sha256": "ff", "issued_at": "2026-03-01T00:00:00Z" } }));
    let said = of_certificate(&view, None);
    assert_eq!(said.next_command, "certmill certs download a.example");
    assert_eq!(said.owner, Some(Who::Certmill));
    assert_eq!(said.moves_at, view.renew_at);
    assert!(
        said.state
            .contains("version 2 is valid until 2026-05-01 00:00:00Z"),
        "{said:?}"
    );
}

#[test]
fn each_state_of_a_job_has_a_next_command() {
    for (state, code, next, has_owner) in [
        ("available", Some(waiting::WORKER), "certmill status", true),
        (
            "running",
            Some(waiting::RUNNING),
            "certmill explain cert_1",
            true,
        ),
        (
            "retryable",
            Some(waiting::RETRY),
            "certmill jobs retry job_7",
            true,
        ),
        ("discarded", None, "certmill jobs retry job_7", false),
        ("cancelled", None, "certmill jobs retry job_7", false),
        ("completed", None, "certmill explain cert_1", false),
    ] {
        let said = of_job(&job(state, code));
        assert_eq!(said.next_command, next, "{state}");
        assert_eq!(said.owner.is_some(), has_owner, "{state}");
        assert!(sentences(&said).contains("Attempts: 3 of 25"), "{state}");
    }
}
