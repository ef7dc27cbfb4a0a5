//! Issuing end to end: one version a generation, whatever happens to workers.

use certmill_crypto::chain::{Chain, Expected, signed_bytes_sha256, verify_issued};
use certmill_crypto::csr::Csr;
use certmill_domain::order::OrderState;
use certmill_service::{Caller, certificates};

use crate::rig::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requested_certificate_is_issued_as_its_order_planned() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let planned = rig.order(id, 1).await;
    let worker = rig.worker("a", true).await;

    rig.until_issued(id, 1).await;
    worker.stop().await;

    let seen = rig.show(id).await;
    let chain = Chain::parse_pem(&rig.chain(id).await).unwrap();
    let csr = Csr::parse(&seen.certificate.csr_der).unwrap();
    let version = seen.version.unwrap();
    let expected = Expected {
        spki_der: csr.public_key.spki_der(),
        names: &seen.certificate.names,
        now: version.issued_at,
        planned: Some((&planned.plan.serial, &planned.plan.validity)),
    };
    verify_issued(&chain, &expected).unwrap();
    assert_eq!(
        (version.serial, version.validity),
        (planned.plan.serial, planned.plan.validity)
    );
    assert_eq!(seen.waiting_on, None, "healthy");
    assert_eq!(rig.order(id, 1).await.state, OrderState::Issued);
    assert_eq!(
        rig.count("job_history WHERE outcome = 2 AND kind = 'issue'")
            .await,
        1
    );
    assert_eq!(
        rig.count("process WHERE dead_at IS NULL").await,
        0,
        "it resigned"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_uses_the_stored_csr_and_another_serial() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;

    certificates::renew(&rig.context, &Caller::system("test"), id, None)
        .await
        .unwrap();
    rig.until_issued(id, 2).await;
    worker.stop().await;

    let versions = certificates::versions(&rig.context, &Caller::system("test"), id, None, 10)
        .await
        .unwrap();
    assert_eq!(
        versions
            .iter()
            .map(|one| one.generation)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    assert_ne!(versions[0].serial, versions[1].serial);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_issue_two_hundred_certificates_one_version_each() {
    let rig = rig().await;
    let names: Vec<String> = (0..200).map(|n| format!("n{n}.example.com")).collect();
    let ids = rig.request_all(&names).await;
    let (a, b) = (rig.worker("a", true).await, rig.worker("b", true).await);

    until(|| async { rig.count("certificate WHERE status = 'issued'").await == 200 }).await;
    until(|| async { rig.count("job").await == 0 }).await;
    a.stop().await;
    b.stop().await;

    assert_eq!(ids.len(), 200);
    assert_eq!(rig.count("version").await, 200);
    assert_eq!(
        rig.count("(SELECT DISTINCT serial FROM version) v").await,
        200
    );
    assert_eq!(
        rig.count("(SELECT DISTINCT certificate_id FROM version WHERE generation = 1) v")
            .await,
        200
    );
    assert_eq!(rig.count("cert_order WHERE state = 'issued'").await, 200);
    assert_eq!(
        rig.count("job_history WHERE outcome = 2 AND attempt = 1")
            .await,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_after_a_crash_signs_the_same_bytes() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;
    worker.stop().await;
    let first = Chain::parse_pem(&rig.chain(id).await).unwrap();

    // As if the worker had died between signing and finishing: nothing of it was written.
    rig.run(
        "UPDATE certificate SET version_id = NULL, generation = 0, status = 'pending'; \
         DELETE FROM version; UPDATE cert_order SET state = 'planned'",
    )
    .await;
    certificates::renew(&rig.context, &Caller::system("test"), id, None)
        .await
        .unwrap();
    let worker = rig.worker("b", true).await;
    rig.until_issued(id, 1).await;
    worker.stop().await;

    let second = Chain::parse_pem(&rig.chain(id).await).unwrap();
    let signed = |chain: &Chain| signed_bytes_sha256(&chain.ders()[0]).unwrap();
    assert_eq!(signed(&first), signed(&second));
    assert_eq!(rig.count("cert_order").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_the_ca_key_leaves_the_signing_lane_alone() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let care = certmill_queue::NewJob::new(
        certmill_queue::TeamId(1),
        certmill_domain::schedule::LANE,
        certmill_domain::schedule::PARTITION_CARE,
        serde_json::json!({}),
    );
    let keyless = rig.worker("a", false).await;

    let care = rig.add_jobs(&[care]).await[0];
    rig.until_job(care, |job| job.state.is_final()).await;

    let job = rig.show(id).await.job.unwrap();
    assert_eq!((job.attempt, job.worker_id), (0, None), "never claimed");
    let with_key = rig.worker("b", true).await;
    rig.until_issued(id, 1).await;
    keyless.stop().await;
    with_key.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_a_dead_process_are_taken_over() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    rig.run(
        "INSERT INTO process (role, label, version, lease, last_beat_at, expires_at) \
         VALUES ('worker', 'gone', '0', '2 s', now() - interval '1 hour', now() - interval '1 hour'); \
         UPDATE job SET state = 1, attempt = 1, fence = fence + 1, lease_token = 7, worker_id = \
             (SELECT id FROM process), claimed_at = now(), deadline_at = now() + interval '1 hour'",
    )
    .await;
    let planned = rig.order(id, 1).await;
    let worker = rig.worker("a", true).await;

    rig.until_issued(id, 1).await;
    worker.stop().await;

    assert_eq!(
        rig.show(id).await.version.unwrap().serial,
        planned.plan.serial
    );
    assert_eq!(
        rig.count("job_attempt WHERE class = 'lost_worker'").await,
        1
    );
    assert_eq!(
        rig.count("process WHERE label = 'gone' AND dead_at IS NOT NULL")
            .await,
        1
    );
}
