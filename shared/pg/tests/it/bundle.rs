//! The bundle for machines without Postgres: fetched once, then used without the network.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certmill_pg::embedded::{BUNDLE_VERSION, Embedded, EmbeddedOptions};
use certmill_pg::{ConnectOptions, connect_one};
use certmill_testkit::cache_dir;

use crate::child::{self, Ask};
use crate::embedded::open_folder;

#[tokio::test]
async fn the_bundle_is_fetched_once_and_then_works_offline() {
    let dir = open_folder();
    let mut options = EmbeddedOptions::new(dir.path().join("first"), cache_dir());
    options.use_installed = false;
    // From the cache of this machine if an earlier run fetched it.
    let server = Embedded::start(options, &|line| eprintln!("{line}"))
        .await
        .unwrap();
    let mut conn = connect_one(&server.app_url(), &ConnectOptions::new("test"))
        .await
        .unwrap();
    let (version, limit): (String, String) = sqlx::query_as(
        "SELECT current_setting('server_version'), current_setting('transaction_timeout')",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert!(BUNDLE_VERSION.starts_with(&version), "{version}");
    assert_eq!(limit, "30s");
    server.stop().await;
    let data = dir.path().join("second");
    let cache = cache_dir();
    let ask = Ask {
        data: &data,
        cache: &cache,
        bundle_only: true,
        as_nobody: false,
        offline: true,
    };
    let (process, line) = child::start(&ask);
    assert!(line.starts_with("ready "), "{line}");
    child::kill(process, &line);
}

#[tokio::test]
async fn without_network_and_cache_the_refusal_says_what_to_do() {
    let dir = open_folder();
    let data = dir.path().join("data");
    let cache = dir.path().join("empty-cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    let ask = Ask {
        data: &data,
        cache: &cache,
        bundle_only: true,
        as_nobody: false,
        offline: true,
    };
    let (process, line) = child::start(&ask);
    child::kill(process, &line);
    assert!(
        line.starts_with("refused ") && line.contains("database_url"),
        "{line}"
    );
}
