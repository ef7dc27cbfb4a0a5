//! Whatever is not done says why: each state of a job and of a certificate has its code.

use certmill_domain::ids::CertificateId;
use certmill_domain::waiting;
use certmill_service::jobs;

use crate::rig::*;

async fn code(rig: &Rig, id: CertificateId) -> Option<String> {
    show(rig, id).await.waiting_on.map(|reason| reason.code)
}

#[tokio::test]
async fn every_unfinished_job_says_what_it_waits_for() {
    let rig = rig().await;
    let (id, job) = request(&rig, "a.example.com").await;
    let claimed =
        "state = 1, worker_id = 1, lease_token = 1, deadline_at = now() + interval '1 minute'";
    for (set, want) in [
        ("run_at = now()".to_owned(), waiting::WORKER),
        ("waiting_code = 'rescued'".to_owned(), waiting::RESCUED),
        (
            "waiting_code = NULL, run_at = now() + interval '1 hour'".to_owned(),
            waiting::SCHEDULED,
        ),
        (
            "waiting_code = 'issuer_pending'".to_owned(),
            waiting::ISSUER_PENDING,
        ),
        (
            r#"waiting_code = 'retry', attempt = 1, last_error = '{"detail": "no answer"}'"#
                .to_owned(),
            waiting::RETRY,
        ),
        (claimed.to_owned(), waiting::RUNNING),
        ("cancel_requested = true".to_owned(), waiting::CANCELLING),
    ] {
        run(rig.db.app(), &format!("UPDATE job SET {set}")).await;
        let row = jobs::by_id(&rig.context, &caller(), job).await.unwrap();
        let reason = jobs::waiting_on(&row).unwrap();
        assert_eq!(reason.code, want, "{set}");
        assert!(!reason.sentence.is_empty());
        assert_eq!(
            code(&rig, id).await.as_deref(),
            Some(want),
            "the certificate says the same"
        );
        if want == waiting::RETRY {
            assert!(reason.sentence.contains("no answer") && reason.until == Some(row.run_at));
        }
    }
}

#[tokio::test]
async fn an_ended_job_waits_for_nothing() {
    let rig = rig().await;
    let (_, job) = request(&rig, "a.example.com").await;
    let ended = jobs::cancel(&rig.context, &caller(), job, None)
        .await
        .unwrap();
    assert_eq!(jobs::waiting_on(&ended), None);
}

#[tokio::test]
async fn every_unhealthy_certificate_says_what_it_waits_for() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    run(rig.db.app(), "DELETE FROM job").await;
    assert_eq!(
        code(&rig, id).await.as_deref(),
        Some(waiting::SWEEP),
        "its first job is gone"
    );
    issue(&rig, id, 1).await;
    assert_eq!(code(&rig, id).await, None, "healthy");
    for (set, want) in [
        ("renew_at = now()", waiting::SWEEP),
        ("not_after = now()", waiting::EXPIRED),
        (
            "fault_code = 'weak_key', fault_detail = 'no', status = 'failed'",
            waiting::REFUSED,
        ),
        ("fault_code = 'attempts_used_up'", waiting::ATTEMPTS_USED_UP),
    ] {
        run(rig.db.app(), &format!("UPDATE certificate SET {set}")).await;
        assert_eq!(code(&rig, id).await.as_deref(), Some(want), "{set}");
    }
}
