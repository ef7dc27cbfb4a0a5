//! A new CA key takes over under load: nothing fails, both chains verify, no serial is signed twice.

use certmill_crypto::chain::Chain;
use certmill_domain::ids::{CertificateId, TeamId};
use certmill_service::Caller;
use certmill_service::authorities::{self, Rolled};
use certmill_service::certificates;

use crate::openssl::openssl;
use crate::rig::*;

async fn roll(rig: &Rig) -> Rolled {
    authorities::roll(rig.db.owner(), &ring(1), TeamId::DEFAULT, "local")
        .await
        .unwrap()
}

/// Asks OpenSSL whether the stored chain leads to the trust anchors; answers the issuing CA.
async fn verified(rig: &Rig, id: CertificateId) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (chain, roots) = (path("chain.pem"), path("ca.pem"));
    std::fs::write(&chain, rig.chain(id).await).unwrap();
    let anchors = authorities::anchors_pem(rig.db.app()).await.unwrap();
    std::fs::write(&roots, anchors).unwrap();
    openssl(&[
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        &roots,
        "-untrusted",
        &chain,
        &chain,
    ]);
    Chain::parse_pem(&rig.chain(id).await).unwrap().ders()[1].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_worker_goes_on_with_the_new_key_and_both_chains_verify() {
    let rig = rig().await;
    let worker = rig.worker("a", true).await;
    let before = rig.request("before.example.com").await;
    rig.until_issued(before, 1).await;

    let rolled = roll(&rig).await;
    let after = rig.request("after.example.com").await;
    rig.until_issued(after, 1).await;

    assert_eq!(verified(&rig, before).await, rolled.before.certificate_der);
    assert_eq!(verified(&rig, after).await, rolled.after.certificate_der);
    let live: Vec<i64> = authorities::list(rig.db.owner())
        .await
        .unwrap()
        .iter()
        .map(|one| one.live_versions)
        .collect();
    assert_eq!(live, [0, 1, 1]);
    certificates::renew(&rig.context, &Caller::system("test"), before, None)
        .await
        .unwrap();
    rig.until_issued(before, 2).await;
    assert_eq!(verified(&rig, before).await, rolled.after.certificate_der);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_stands_is_drawn_anew_for_the_new_key() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let planned = rig.order(id, 1).await.plan;
    // The new authority ends before the planned dates do, as an imported one may.
    let rolled = roll(&rig).await;
    let sooner =
        "UPDATE ca_key SET not_after = now() + interval '40 days' WHERE name = 'issuing-2'";
    sqlx::raw_sql(sooner).execute(rig.db.owner()).await.unwrap();

    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;
    worker.stop().await;

    let version = rig.show(id).await.version.unwrap();
    assert_ne!(version.serial, planned.serial, "no serial is signed by two");
    assert!(version.validity.not_after < planned.validity.not_after);
    let order = rig.order(id, 1).await.plan;
    assert_eq!(order.ca_key_id, Some(rolled.after.id));
    assert_eq!(verified(&rig, id).await, rolled.after.certificate_der);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_rollovers_under_load_fail_nothing() {
    let rig = rig().await;
    let names: Vec<String> = (0..300).map(|n| format!("n{n}.example.com")).collect();
    let ids = rig.request_all(&names).await;
    let (a, b) = (rig.worker("a", true).await, rig.worker("b", true).await);
    for share in [30, 100, 200] {
        until(|| async { rig.count("certificate WHERE status = 'issued'").await >= share }).await;
        roll(&rig).await;
    }
    until(|| async { rig.count("certificate WHERE status = 'issued'").await == 300 }).await;
    until(|| async { rig.count("job").await == 0 }).await;
    a.stop().await;
    b.stop().await;

    assert_eq!(rig.count("job_history WHERE outcome <> 2").await, 0);
    assert_eq!(rig.count("job_attempt").await, 0, "not even a retry");
    assert_eq!(rig.count("version").await, 300);
    let serials = "(SELECT DISTINCT serial FROM version) v";
    assert_eq!(rig.count(serials).await, 300);
    let issuing = "(SELECT DISTINCT chain_der[1] FROM version) v";
    assert!(rig.count(issuing).await >= 3);
    for id in [ids[0], ids[150], ids[299]] {
        verified(&rig, id).await;
    }
}
