//! The demonstration, as somebody plays it: killed piece by piece, it keeps its promises and leaves nothing.
#![allow(clippy::disallowed_methods, reason = "tests read the environment")]

use std::path::Path;
use std::time::Duration;

use crate::ONE_AT_A_TIME;
use crate::child::Child;

const WITHIN: Duration = Duration::from_secs(120);

/// Folders and programs are found as this test finds them.
fn env() -> Vec<(String, String)> {
    let known = ["HOME", "XDG_CACHE_HOME"];
    let given = known.map(|name| (name.to_owned(), std::env::var(name).ok()));
    let mut env: Vec<(String, String)> = given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    env.push(("NO_COLOR".to_owned(), "1".to_owned()));
    env
}

/// Runs `certmill demo ..` to its end; whether it ended well, and what it printed.
async fn steer(folder: &Path, words: &[&str]) -> (bool, String) {
    let data_dir = folder.display().to_string();
    let args = [&["demo"], words, &["--data-dir", &data_dir]].concat();
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let log = folder.join("steer.log");
    std::fs::remove_file(&log).ok();
    let mut child = Child::start("steer", &args, &env(), &log);
    let status = child.exit(WITHIN).await;
    (status.success(), std::fs::read_to_string(&log).unwrap())
}

#[tokio::test]
async fn the_demonstration_keeps_its_promises_and_leaves_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let place = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(place.path(), open).unwrap();
    let folder = place.path();
    let (well, told) = steer(folder, &["kill", "leader"]).await;
    assert!(!well && told.contains("start `certmill demo`"), "{told}");

    let data_dir = folder.display().to_string();
    let args = [
        "demo",
        "--certificates",
        "40",
        "--for",
        "45s",
        "--data-dir",
        &data_dir,
    ];
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let log = folder.join("demo.log");
    let mut demo = Child::start("demo", &args, &env(), &log);
    let started = tokio::time::timeout(WITHIN, async {
        while !std::fs::exists(folder.join("demo/demo.sock")).unwrap() {
            assert!(demo.ended().is_none(), "{}", demo.tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    started.await.unwrap();
    let (well, told) = steer(folder, &["--certificates", "1"]).await;
    assert!(!well && told.contains("runs here already"), "{told}");
    for (victim, says) in [
        ("worker", "jobs have ended well"),
        ("leader", "leads in epoch 2"),
        ("api", "answers in its place"),
        ("database", "none is lost"),
    ] {
        let (well, told) = steer(folder, &["kill", victim]).await;
        assert!(
            well && told.contains(says),
            "{victim}: {told}\n{}",
            demo.tail()
        );
        assert!(told.contains("issued twice 0, expired 0"), "{told}");
    }
    let status = demo.exit(WITHIN).await;
    assert!(status.success(), "{status}\n{}", demo.tail());
    assert!(!folder.join("demo").exists(), "its folder is gone");
}
