//! Renewals by hand: one job a generation, however often it is asked for.

use certmill_service::certificates::{self, Renewal};
use certmill_service::{Error, Idempotency};

use crate::rig::*;

async fn renew(rig: &Rig, id: certmill_domain::ids::CertificateId) -> Renewal {
    certificates::renew(&rig.context, &caller(), id, None)
        .await
        .unwrap()
        .value
}

#[tokio::test]
async fn two_renewals_make_one_job_and_one_order() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    issue(&rig, id, 1).await;

    let first = renew(&rig, id).await;
    let serial = standing(&rig, id, 2).await.unwrap().plan.serial;
    let second = renew(&rig, id).await;

    assert_eq!((first.generation, first.already_running), (2, false));
    assert_eq!(
        (second.generation, second.already_running, second.job),
        (2, true, first.job)
    );
    assert_eq!(
        standing(&rig, id, 2).await.unwrap().plan.serial,
        serial,
        "the order stays"
    );
    assert_eq!(count(&rig, "job").await, 1);
    assert_eq!(
        count(&rig, "audit WHERE action = 'certificate.renew'").await,
        2
    );
}

#[tokio::test]
async fn renewals_at_once_make_one_job() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    issue(&rig, id, 1).await;
    let again = || renew(&rig, id);
    let (a, b, c, d, e, f) = tokio::join!(again(), again(), again(), again(), again(), again());
    let jobs = [a.job, b.job, c.job, d.job, e.job, f.job];
    assert!(jobs.iter().all(|job| *job == jobs[0]), "{jobs:?}");
    assert_eq!(count(&rig, "job").await, 1);
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_is_made_due() {
    let rig = rig().await;
    let (id, job) = request(&rig, "a.example.com").await;
    run(
        rig.db.app(),
        "UPDATE job SET run_at = now() + interval '1 hour', waiting_code = 'retry'",
    )
    .await;

    let renewal = renew(&rig, id).await;

    assert_eq!(
        (renewal.job, renewal.generation, renewal.already_running),
        (job, 1, true)
    );
    assert_eq!(
        count(&rig, "job WHERE run_at <= now() AND waiting_code IS NULL").await,
        1
    );
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_answered_as_before() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    let used = Idempotency {
        route: "POST /renew",
        key: "k".into(),
        body_sha256: [1; 32],
    };
    let send = async || {
        certificates::renew(&rig.context, &caller(), id, Some(&used))
            .await
            .unwrap()
    };
    let (first, again) = (send().await, send().await);
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.value.job, again.value.job);
    assert_eq!(
        count(&rig, "audit WHERE action = 'certificate.renew'").await,
        1
    );
}

#[tokio::test]
async fn a_strangers_renewal_finds_nothing() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    let answer = certificates::renew(&rig.context, &stranger(), id, None).await;
    assert!(matches!(answer, Err(Error::NotFound(_))));
}
