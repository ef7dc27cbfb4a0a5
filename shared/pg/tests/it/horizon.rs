//! Whoever holds dead rows back is named: a session, a prepared transaction, a replication slot.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use certmill_pg::embedded::{DATABASE, Embedded, EmbeddedOptions, Login};
use certmill_pg::{ConnectOptions, Horizon, HorizonLimits, connect, connect_one};
use sqlx::Executor as _;

/// Whoever is there at all is told.
const AT_ONCE: HorizonLimits = HorizonLimits {
    older: Duration::ZERO,
    transactions: 0,
};

#[tokio::test]
async fn each_kind_of_holder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let mut options = EmbeddedOptions::new(folder.path().join("pg"), certmill_testkit::cache_dir());
    options.settings = [
        ("fsync", "off"),
        ("wal_level", "logical"),
        ("max_prepared_transactions", "2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let server = Embedded::start(options, &|_| {}).await.unwrap();
    let app = connect(&server.app_url(), ConnectOptions::new("test"))
        .await
        .unwrap();
    let look = async || Horizon::look(&app, AT_ONCE).await.unwrap();
    let quiet = look().await;
    assert!(quiet.holders.is_empty(), "{quiet:?}");
    assert_eq!(quiet.hidden, 0, "the embedded login may see everybody");

    // As another login, idle in a transaction with a snapshot, and later with an id of its own.
    let superuser = server.url(Login::Superuser, DATABASE);
    let mut holder = connect_one(&superuser, &ConnectOptions::new("pinned"))
        .await
        .unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut holder)
        .await
        .unwrap();
    for begin in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
        "BEGIN; CREATE TABLE held (id int)",
    ] {
        holder.execute(begin).await.unwrap();
        let told = look().await.told();
        assert!(
            told.contains(&format!("pid {pid} (certmill-pinned) for ")),
            "{begin}: {told}"
        );
        if begin.contains("CREATE") {
            holder
                .execute("PREPARE TRANSACTION 'forgotten'")
                .await
                .unwrap();
            let told = look().await.told();
            assert!(
                told.starts_with("prepared transaction forgotten (postgres) for "),
                "{told}"
            );
            assert!(!told.contains("pid"), "{told}");
        }
        let end = if begin.contains("CREATE") {
            "ROLLBACK PREPARED 'forgotten'"
        } else {
            "ROLLBACK"
        };
        holder.execute(end).await.unwrap();
    }
    let patient = Horizon::look(&app, HorizonLimits::default()).await.unwrap();
    assert!(patient.holders.is_empty(), "{patient:?}");

    holder
        .execute("SELECT pg_create_logical_replication_slot('stale', 'pgoutput')")
        .await
        .unwrap();
    let told = look().await.told();
    assert!(
        told.starts_with("replication slot stale (logical, nobody reads it) for "),
        "{told}"
    );
    holder
        .execute("SELECT pg_drop_replication_slot('stale')")
        .await
        .unwrap();
    assert!(look().await.holders.is_empty());

    // A login that may not look at others says how many it does not see.
    holder
        .execute("REVOKE pg_read_all_stats FROM certmill_app")
        .await
        .unwrap();
    holder
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await
        .unwrap();
    let blind = look().await;
    assert!(blind.holders.is_empty() && blind.hidden > 0, "{blind:?}");
    app.close().await;
    server.stop().await;
}
