//! Keys are rotated and a CA key is rolled over in a cluster that issues all the while: a key that is
//! removed too early, a wrong key at the start, a kill in the middle.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::progress::say;
use crate::workload::Workload;

/// How soon a running process looks at its key files.
const POLL_MS: &str = "300";
const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn keys_are_rotated_while_certificates_are_issued() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(&[("kek_poll_ms", POLL_MS)]).await;
    let mut workload = Workload::begin(cluster.client().await, 1).await;
    workload.bulk(40).await;

    let (old, new) = rotate(&mut cluster, &mut workload, "ca").await;
    removed_too_early(&mut cluster, &mut workload, &old).await;
    wrong_at_the_start(&mut cluster).await;
    retire(&mut cluster, &mut workload, "ca", &old).await;
    let (old_app, _) = rotate(&mut cluster, &mut workload, "app").await;
    retire(&mut cluster, &mut workload, "app", &old_app).await;
    let (code, rolled) = cluster.operate(&["ca", "roll", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{rolled}");
    workload.bulk(20).await;
    until_all_issued(&cluster).await;

    let listed = json(&mut cluster, &["kek", "list", "-o", "json"]).await;
    let keys = listed["data"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{listed}");
    assert!(
        keys.iter().any(|key| key["id"] == new && key["rows"] == 3),
        "{listed}"
    );
    let authorities = json(&mut cluster, &["ca", "list", "-o", "json"]).await;
    let signed = authorities["data"][2]["live_versions"].as_i64();
    assert!(signed.is_some_and(|signed| signed >= 20), "{authorities}");
    let violations = cluster.violations(&workload.history).await;
    assert!(violations.is_empty(), "{violations:#?}");
    say(format_args!(
        "rotated both keys and rolled the CA over under load"
    ));
}

/// New key, everywhere, sealing: answers the old and the new id.
async fn rotate(cluster: &mut Cluster, workload: &mut Workload, purpose: &str) -> (String, String) {
    let listed = json(cluster, &["kek", "list", "-o", "json"]).await;
    let keys = listed["data"].as_array().unwrap();
    let old = keys.iter().find(|key| key["purpose"] == purpose).unwrap();
    let old = old["id"].as_str().unwrap().to_owned();
    let made = json(cluster, &["kek", "new", purpose, "-o", "json"]).await;
    let new = made["id"].as_str().unwrap().to_owned();
    let (code, words) = cluster.operate(&["kek", "new", purpose]).await;
    assert_eq!(code, Some(3), "a second next key is refused: {words}");
    workload.bulk(20).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (code, words) = cluster.operate(&["kek", "rotate", purpose]).await;
        if code == Some(0) {
            break;
        }
        assert!(words.contains("kek_not_everywhere"), "{words}");
        assert!(Instant::now() < deadline, "{words}");
    }
    let (code, words) = cluster.operate(&["kek", "rotate", purpose]).await;
    assert_eq!(code, Some(0), "a repeat: {words}");
    workload.bulk(20).await;
    until_all_issued(cluster).await;
    (old, new)
}

/// The old file goes while its key is still registered: who runs goes on, who starts is refused.
async fn removed_too_early(cluster: &mut Cluster, workload: &mut Workload, old: &str) {
    let keys = cluster.folder().join("keys");
    let (place, aside) = (keys.join("ca.kek"), keys.join("aside"));
    fs::rename(&place, &aside).unwrap();
    fs::copy(keys.join("ca.kek.next"), &place).unwrap();
    cluster
        .member("worker-1")
        .logged("kek_file_gone", PATIENCE)
        .await;
    cluster.member("worker-2").kill();
    cluster.launch("worker-2");
    let words = cluster.refused("worker-2", 3).await;
    assert!(words.contains(old), "{words}");
    workload.bulk(10).await;
    until_all_issued(cluster).await;
    fs::rename(&aside, &place).unwrap();
    cluster.launch("worker-2");
    cluster.ready("worker-2").await;
}

/// A key of another installation, and a torn file.
async fn wrong_at_the_start(cluster: &mut Cluster) {
    let keys = cluster.folder().join("keys");
    let (place, aside) = (keys.join("ca.kek"), keys.join("aside"));
    fs::rename(&place, &aside).unwrap();
    for (content, wanted) in [
        (&[7_u8; 32][..], "is not loaded"),
        (&[7; 31], "needs 32 bytes, got 31"),
    ] {
        fs::write(&place, content).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
        cluster.member("worker-2").kill();
        cluster.launch("worker-2");
        let words = cluster.refused("worker-2", 3).await;
        assert!(words.contains(wanted), "{words}");
        if content.len() == 31 {
            cluster
                .member("worker-1")
                .logged("kek_file_unusable", PATIENCE)
                .await;
        }
        fs::remove_file(&place).unwrap();
        fs::rename(&aside, &place).unwrap();
        cluster.launch("worker-2");
        cluster.ready("worker-2").await;
        fs::rename(&place, &aside).unwrap();
    }
    fs::rename(&aside, &place).unwrap();
}

/// The old key is forgotten, its file replaced, and a process that starts needs the new one only.
async fn retire(cluster: &mut Cluster, workload: &mut Workload, purpose: &str, old: &str) {
    let (code, words) = cluster.operate(&["kek", "retire", old, "--yes"]).await;
    assert_eq!(code, Some(0), "{words}");
    let keys = cluster.folder().join("keys");
    let (next, place) = (
        keys.join(format!("{purpose}.kek.next")),
        keys.join(format!("{purpose}.kek")),
    );
    fs::rename(next, place).unwrap();
    if purpose == "ca" {
        cluster.replace("worker-1");
        cluster.ready("worker-1").await;
    }
    workload.bulk(10).await;
    until_all_issued(cluster).await;
}

async fn until_all_issued(cluster: &Cluster) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting: i64 = cluster.count("certificate WHERE status <> 'issued'").await;
        if waiting == 0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{waiting} certificates are not issued"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn json(cluster: &mut Cluster, args: &[&str]) -> Value {
    let (code, text) = cluster.operate(args).await;
    assert_eq!(code, Some(0), "{args:?}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
}
