//! What the end of a job means for its certificate.
#![allow(clippy::unwrap_used)]

use certmill_wire::{Problem, ProblemCode};
use serde_json::json;

use super::*;

fn job(state: &str, attempt: i32) -> JobView {
    serde_json::from_value(json!({
        "id": "job_0", "kind": "issue", "queue": "issue:local", "state": state, "priority": 2,
        "attempt": attempt, "max_attempts": 5, "run_at": "2026-03-01T12:00:00Z",
        "created_at": "2026-03-01T12:00:00Z", "last_error": "the CA said no",
    }))
    .unwrap()
}

fn certificate(waiting_code: Option<&str>, issued: bool) -> CertificateView {
    let waiting_on = waiting_code.map(|code| waiting::WaitingOn::new(code, None, Some("because")));
    let version = issued.then(|| {
        json!({ "id": "ver_0", "serial": "01", "not_before": "2026-03-01T12:00:00Z",
            "not_after": "2026-03-02T12:00:00Z", "fingerprint_sha256": "ab",
            "issued_at": "2026-03-01T12:00:00Z" })
    });
    serde_json::from_value(json!({
        "id": "cert_0", "name": "a.example", "sans": ["a.example"], "profile": "default",
        "issuer": "local", "status": "pending", "generation": 1, "version": version,
        "waiting_on": waiting_on, "job": null, "created_at": "2026-03-01T12:00:00Z",
    }))
    .unwrap()
}

fn code(state: &str, attempt: i32, waiting_code: Option<&str>, issued: bool) -> u8 {
    let mut progress = Progress::start("a.example", true);
    judge(
        certificate(waiting_code, issued),
        &job(state, attempt),
        &mut progress,
    )
    .map_or_else(|failure| failure.code(), |_| 0)
}

#[test]
fn ends_have_their_exit_codes() {
    assert_eq!(code("completed", 1, None, true), 0);
    assert_eq!(code("discarded", 1, Some(waiting::REFUSED), false), 4);
    assert_eq!(
        code("discarded", 5, Some(waiting::ATTEMPTS_USED_UP), false),
        1
    );
    assert_eq!(code("cancelled", 1, Some(waiting::REFUSED), false), 1);
    assert_eq!(code("discarded", 1, None, true), 4);
    assert_eq!(code("discarded", 5, None, true), 1);
}

#[test]
fn a_failure_carries_the_sentence_and_the_next_command() {
    let mut progress = Progress::start("a.example", true);
    let failed = judge(
        certificate(Some(waiting::REFUSED), false),
        &job("discarded", 1),
        &mut progress,
    );
    let text = failed.unwrap_err().to_string();
    assert!(
        text.contains("the last order was refused: because"),
        "{text}"
    );
    assert!(text.contains("certmill jobs show job_0"), "{text}");
}

#[test]
fn early_ends_say_how_to_come_back() {
    let accepted = Accepted {
        certificate: certificate(None, false),
        job: job("running", 1),
    };
    let late = too_late(&accepted, Duration::from_secs(5));
    assert_eq!(late.code(), 6);
    assert!(
        late.to_string().contains("certmill certs show a.example"),
        "{late}"
    );
    assert_eq!(detached(&accepted).code(), 130);
}

#[test]
fn a_restarting_server_is_waited_for() {
    let problem = |code| client::Error::Problem(Box::new(Problem::new(code, "")));
    assert!(pause(&problem(ProblemCode::NotReady)).is_some());
    assert!(pause(&problem(ProblemCode::RateLimited)).is_some());
    assert!(pause(&problem(ProblemCode::Unauthenticated)).is_none());
    assert!(pause(&problem(ProblemCode::Internal)).is_none());
}
