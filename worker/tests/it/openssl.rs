//! Another implementation reads what we issued: OpenSSL's strict verification and its dates.

use std::process::Command;

use certmill_service::authorities;
use time::OffsetDateTime;
use time::format_description::parse_borrowed;

use crate::rig::*;

pub fn openssl(args: &[&str]) -> String {
    let output = Command::new("openssl").args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "openssl {args:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn date(at: OffsetDateTime) -> String {
    let form = "[year]-[month]-[day] [hour]:[minute]:[second]Z";
    at.format(&parse_borrowed::<2>(form).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_verifies_strictly_and_reads_the_orders_plan() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;
    worker.stop().await;
    let plan = rig.order(id, 1).await.plan;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let chain = file("chain.pem", &rig.chain(id).await);
    let root = file(
        "ca.pem",
        &authorities::anchors_pem(rig.db.app()).await.unwrap(),
    );

    let verified = openssl(&[
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-verify_hostname",
        "shop.example.com",
        "-CAfile",
        &root,
        "-untrusted",
        &chain,
        &chain,
    ]);
    let told = openssl(&[
        "x509",
        "-in",
        &chain,
        "-noout",
        "-serial",
        "-startdate",
        "-enddate",
        "-dateopt",
        "iso_8601",
    ]);

    assert!(verified.ends_with(": OK\n"), "{verified}");
    let want = format!(
        "serial={}\nnotBefore={}\nnotAfter={}\n",
        plan.serial.to_string().to_uppercase(),
        date(plan.validity.not_before),
        date(plan.validity.not_after)
    );
    assert_eq!(told, want);
}
