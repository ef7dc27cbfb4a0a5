//! Revoking end to end: one revocation a version, a list that others can read, and what becomes of
//! the certificate.

use std::path::PathBuf;

use certmill_crypto::chain::certificate_pem;
use certmill_domain::ids::CertificateId;
use certmill_domain::revocation::RevocationReason;
use certmill_service::certificates::{self, RevokeAsk, Revoked, Which};
use certmill_service::{Caller, Error};

use crate::lint::{openssl, openssl_says, pkilint};
use crate::rig::*;

async fn revoke(
    rig: &Rig,
    id: CertificateId,
    reason: RevocationReason,
    which: Which,
) -> Result<Revoked, Error> {
    let ask = RevokeAsk {
        which,
        reason,
        note: Some("a test".into()),
    };
    certificates::revoke(&rig.context, &Caller::system("test"), id, &ask, None)
        .await
        .map(|answer| answer.value)
}

/// Revokes the current version and waits until a list shows it.
async fn revoke_and_list(rig: &Rig, id: CertificateId, reason: RevocationReason) -> Revoked {
    let revoked = revoke(rig, id, reason, Which::Current).await.unwrap();
    until_listed(rig).await;
    revoked
}

async fn until_listed(rig: &Rig) {
    until(|| async {
        rig.count(
            "version v WHERE v.revoked_at IS NOT NULL AND NOT EXISTS ( \
             SELECT 1 FROM crl c WHERE c.ca_key_id = v.ca_key_id AND position(v.serial IN c.der) > 0)",
        )
        .await
            == 0
            && rig.count("job WHERE kind IN ('revoke', 'crl')").await == 0
    })
    .await;
}

/// The last list of the issuing authority, as a file.
async fn list_file(rig: &Rig, folder: &std::path::Path) -> PathBuf {
    let der: Vec<u8> = sqlx::query_scalar(
        "SELECT der FROM crl WHERE ca_key_id = (SELECT ca_key_id FROM issuer) ORDER BY number DESC LIMIT 1",
    )
    .fetch_one(rig.db.app())
    .await
    .unwrap();
    let path = folder.join("list.crl");
    std::fs::write(&path, der).unwrap();
    path
}

async fn authority_files(rig: &Rig, folder: &std::path::Path) -> (PathBuf, PathBuf) {
    let ders: Vec<Vec<u8>> = sqlx::query_scalar("SELECT certificate_der FROM ca_key ORDER BY name")
        .fetch_all(rig.db.app())
        .await
        .unwrap();
    let write = |name: &str, pem: String| {
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    (
        write("issuing.pem", certificate_pem(&ders[0])),
        write("root.pem", certificate_pem(&ders[1])),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_and_pkilint_read_the_list_and_refuse_what_it_names() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let kept = rig.request("kept.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;
    rig.until_issued(kept, 1).await;
    let serial = rig.show(id).await.version.unwrap().serial;
    let folder = tempfile::tempdir().unwrap();
    let leaf = folder.path().join("leaf.pem");
    std::fs::write(&leaf, rig.chain(id).await).unwrap();
    let good = folder.path().join("good.pem");
    std::fs::write(&good, rig.chain(kept).await).unwrap();

    revoke_and_list(&rig, id, RevocationReason::CessationOfOperation).await;
    worker.stop().await;

    let list = list_file(&rig, folder.path()).await;
    let (issuing, root) = authority_files(&rig, folder.path()).await;
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (list_text, issuing, root) = (text(&list), text(&issuing), text(&root));
    let told = openssl(&[
        "crl", "-in", &list_text, "-inform", "DER", "-CAfile", &issuing, "-noout", "-text",
    ]);
    assert!(told.contains("verify OK"), "{told}");
    assert!(told.contains(&serial.to_string().to_uppercase()), "{told}");
    assert!(told.contains("Cessation Of Operation"), "{told}");
    let pem = folder.path().join("list.pem");
    let pem_text = text(&pem);
    openssl(&[
        "crl", "-in", &list_text, "-inform", "DER", "-out", &pem_text,
    ]);
    let verify = |leaf: &PathBuf| {
        openssl_says(&[
            "verify",
            "-x509_strict",
            "-crl_check",
            "-CRLfile",
            &pem_text,
            "-CAfile",
            &root,
            "-untrusted",
            &issuing,
            &text(leaf),
        ])
    };
    let (accepted, words) = verify(&leaf);
    assert!(
        !accepted && words.contains("certificate revoked"),
        "{words}"
    );
    let (accepted, words) = verify(&good);
    assert!(accepted, "{words}");
    pkilint("lint_crl", &["-t", "CRL", "-p", "PKIX"], &list);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_superseded_version_is_replaced_at_once_and_a_second_revocation_changes_nothing() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;

    let first = revoke_and_list(&rig, id, RevocationReason::Superseded).await;
    rig.until_issued(id, 2).await;
    let at: time::OffsetDateTime =
        sqlx::query_scalar("SELECT revoked_at FROM version WHERE generation = 1")
            .fetch_one(rig.db.app())
            .await
            .unwrap();
    let again = revoke(
        &rig,
        id,
        RevocationReason::KeyCompromise,
        Which::One(first.versions[0]),
    )
    .await
    .unwrap();
    until_listed(&rig).await;
    worker.stop().await;

    assert_eq!(
        again.versions.len(),
        2,
        "the key's other version is meant too"
    );
    assert_eq!(again.jobs.len(), 1, "the first one is revoked already");
    let versions = certificates::versions(&rig.context, &Caller::system("test"), id, None, 10)
        .await
        .unwrap();
    let reasons: Vec<_> = versions.iter().map(|one| one.revoked.unwrap().1).collect();
    assert_eq!(
        reasons,
        [
            RevocationReason::KeyCompromise,
            RevocationReason::Superseded
        ]
    );
    assert_eq!(versions[1].revoked.unwrap().0, at, "the first time stays");
    assert_eq!(rig.count("audit WHERE action = 'version.revoke'").await, 2);
    assert_eq!(rig.count("event WHERE code = 'revoked'").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reported_key_is_never_signed_for_again() {
    let rig = rig().await;
    let ids = rig
        .request_all(&["a.example.com".to_owned(), "b.example.com".to_owned()])
        .await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(ids[0], 1).await;
    rig.until_issued(ids[1], 1).await;

    revoke_and_list(&rig, ids[0], RevocationReason::KeyCompromise).await;
    let renewed = certificates::renew(&rig.context, &Caller::system("test"), ids[0], None).await;
    worker.stop().await;

    assert!(
        matches!(&renewed, Err(Error::Conflict { code, .. }) if *code == "key_compromised"),
        "{renewed:?}"
    );
    let seen = rig.show(ids[0]).await;
    let waiting = seen.waiting_on.unwrap();
    assert_eq!(waiting.code, "key_compromised");
    assert_eq!(seen.certificate.sweep_at, None, "no sweep takes it");
    assert_eq!(rig.count("compromised_key").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_for_a_reported_key_in_the_meantime_is_revoked_too() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;
    // As if a worker had loaded the order of a renewal before the report came.
    certificates::renew(&rig.context, &Caller::system("test"), id, None)
        .await
        .unwrap();
    rig.until_issued(id, 2).await;
    rig.run("UPDATE certificate SET key_compromised = true")
        .await;
    let order = rig.order(id, 2).await;
    let version = rig.show(id).await.version.unwrap();
    rig.run(&format!(
        "UPDATE certificate SET generation = 1, version_id = (SELECT id FROM version WHERE generation = 1); \
         DELETE FROM version WHERE id = '{}'",
        version.id.0
    ))
    .await;
    let chain: Vec<String> = std::iter::once(&version.leaf_der)
        .chain(&version.chain_der)
        .map(|der| data_encoding::BASE64.encode(der))
        .collect();
    let print = vec![1_u8; 32];
    let effect: certmill_service::effects::issue::Effect =
        serde_json::from_value(serde_json::json!({
            "team_id": 1, "certificate_id": id, "generation": 2, "order_id": order.id,
            "issuer_id": order.plan.issuer_id, "serial": order.plan.serial.as_bytes(),
            "not_before": "2026-01-01T00:00:00Z", "not_after": "2099-01-01T00:00:00Z",
            "fingerprint": print, "spki_sha256": print, "chain": chain,
            "renew_fraction": 0.5, "renew_before_s": null,
        }))
        .unwrap();
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    certmill_service::effects::issue::apply(vec![effect], &mut tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    until(|| async { rig.count("version WHERE revocation_reason = 1").await == 1 }).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_makes_the_first_lists_and_leaves_fresh_ones_alone() {
    let rig = rig().await;
    let sweep = || {
        certmill_queue::NewJob::new(
            certmill_queue::TeamId(1),
            certmill_domain::schedule::LANE,
            certmill_domain::schedule::CRL_SWEEP,
            serde_json::json!({}),
        )
    };
    let worker = rig.worker("a", true).await;

    let first = rig.add_jobs(&[sweep()]).await[0];
    rig.until_job(first, |job| job.state.is_final()).await;
    until(|| async { rig.count("crl").await == 2 }).await;
    let second = rig.add_jobs(&[sweep()]).await[0];
    rig.until_job(second, |job| job.state.is_final()).await;
    assert_eq!(rig.count("job WHERE kind = 'crl'").await, 0);
    assert_eq!(rig.count("crl").await, 2, "root and issuing, one each");
    // Half of their time is over.
    rig.run("UPDATE crl SET this_update = this_update - interval '40 h', next_update = next_update - interval '40 h'")
        .await;
    let third = rig.add_jobs(&[sweep()]).await[0];
    rig.until_job(third, |job| job.state.is_final()).await;
    until(|| async { rig.count("crl WHERE number = 2").await == 2 }).await;
    worker.stop().await;
}
