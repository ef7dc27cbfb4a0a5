//! Each finding twice: the fault planted, and without it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use certmill_crypto::seal::{Kek, Keyring};
use certmill_doctor::{Level, Patient, examine};
use certmill_pg::newest_migration;
use certmill_settings::{Env, Overrides, Role, Secret, Settings};
use certmill_testkit::TestDb;
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::rig::*;

#[tokio::test]
async fn a_database_that_refuses_is_told_in_its_words() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let url = db.app_url();
    let (level, _) = worst(&patient(&db, folder.path()).await, "database").await;
    assert_eq!(level, Level::Ok);

    let (before, after) = url.expose_secret().split_once("certmill_app:").unwrap();
    let (_, place) = after.split_once('@').unwrap();
    let wrong = Secret::from(format!("{before}certmill_app:canary@{place}"));
    let refused = Patient::admit(settings(Role::Api, &wrong, folder.path())).await;
    let (level, words) = worst(&refused, "database").await;
    assert_eq!(level, Level::Fail);
    assert!(
        words.contains("28P01") && words.contains("ALTER ROLE certmill_app"),
        "{words}"
    );
    assert!(!words.contains("canary"));
    let report = examine(&refused).await;
    assert!(
        report.findings.iter().all(|finding| finding.id != "schema"),
        "silent on what it did not see"
    );

    let env = Env::with_vars([("CERTMILL_DATA_DIR", folder.path().to_str().unwrap())]);
    let none = Settings::load(Role::Up, &Overrides::default(), &env).unwrap();
    let (level, words) = worst(&Patient::admit(none).await, "database").await;
    assert_eq!(level, Level::Fail);
    assert!(words.contains("certmill up"), "{words}");
}

#[tokio::test]
async fn a_schema_of_another_build_is_told_with_both_versions() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    assert_eq!(worst(&patient, "schema").await.0, Level::Ok);
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (942, 'later', now(), true, '', 0)")
        .execute(db.owner())
        .await
        .unwrap();
    let say = "INSERT INTO schema_acceptance (version, builds_from) VALUES (942, $1)";
    sqlx::query(say)
        .bind(newest_migration())
        .execute(db.owner())
        .await
        .unwrap();
    let (level, words) = worst(&patient, "schema").await;
    assert_eq!(level, Level::Ok, "{words}");
    assert!(words.contains("may run on it"), "{words}");
    sqlx::query("DELETE FROM schema_acceptance WHERE version = 942")
        .execute(db.owner())
        .await
        .unwrap();
    let (level, words) = worst(&patient, "schema").await;
    assert_eq!(level, Level::Fail);
    let both = format!(
        "the database is at 942, this build knows 1..{}",
        newest_migration()
    );
    assert!(words.contains(&both), "{words}");
}

#[tokio::test]
async fn too_few_rights_fail_and_too_many_warn() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    let (level, words) = worst(&patient, "role_rights").await;
    assert_eq!(level, Level::Ok, "{words}");
    for (url, words) in [
        (db.superuser_url(), "is a superuser"),
        (db.owner_url(), "may change the schema"),
    ] {
        let mighty = Patient::admit(settings(Role::Api, &url, folder.path())).await;
        let (level, said) = worst(&mighty, "role_rights").await;
        assert_eq!(level, Level::Warn);
        assert!(said.contains(words), "{said}");
    }
    for statement in [
        "REVOKE INSERT ON job FROM certmill_app",
        "GRANT DELETE ON audit TO certmill_app",
    ] {
        db.owner().execute(statement).await.unwrap();
    }
    let (level, words) = worst(&patient, "role_rights").await;
    assert_eq!(level, Level::Fail);
    assert!(words.contains("lacks INSERT on job;"), "{words}");
    db.owner()
        .execute("GRANT INSERT ON job TO certmill_app")
        .await
        .unwrap();
    let (level, words) = worst(&patient, "role_rights").await;
    assert_eq!(level, Level::Warn);
    assert!(words.contains("may DELETE on audit"), "{words}");
}

#[tokio::test]
async fn commits_that_do_not_last_are_told() {
    // The server of the tests runs without fsync, which is as good as planted.
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let found = look(&patient(&db, folder.path()).await, "durability").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].level == Level::Fail && found[0].what == "fsync is off");
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(db.owner())
        .await
        .unwrap();
    let statement = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    db.owner().execute(AssertSqlSafe(statement)).await.unwrap();
    let found = look(&patient(&db, folder.path()).await, "durability").await;
    assert!(
        found
            .iter()
            .any(|one| one.level == Level::Warn && one.what.contains("synchronous_commit")),
        "{found:?}"
    );
}

#[tokio::test]
async fn the_sum_of_all_pools_is_held_against_the_server() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    assert_eq!(worst(&patient, "connections").await.0, Level::Ok);
    let named = |name: &str| (*db.app().connect_options()).clone().application_name(name);
    let _first = named("certmill-api max=150").connect().await.unwrap();
    let (level, words) = worst(&patient, "connections").await;
    assert!(
        level == Level::Ok && words.contains("150 of 197"),
        "{words}"
    );
    let _second = named("certmill-worker max=53").connect().await.unwrap();
    let (level, words) = worst(&patient, "connections").await;
    assert_eq!(level, Level::Warn);
    assert!(
        words.contains("may open 203 connections (certmill-api 150, certmill-worker 53)"),
        "{words}"
    );
}

#[tokio::test]
async fn clocks_agree_on_one_machine_and_no_pooler_is_seen() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    for id in ["clock_skew", "pooler", "disk_space"] {
        let (level, words) = worst(&patient, id).await;
        assert_eq!(level, Level::Ok, "{id}: {words}");
    }
}

#[tokio::test]
async fn an_old_snapshot_is_told_with_its_holder() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let mut patient = patient(&db, folder.path()).await;
    assert_eq!(worst(&patient, "snapshots").await.0, Level::Ok);
    let mut holder = db.session().await;
    holder
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await
        .unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut holder)
        .await
        .unwrap();
    patient.horizon_limits.older = Duration::ZERO;
    let (level, words) = worst(&patient, "snapshots").await;
    assert_eq!(level, Level::Warn);
    assert!(
        words.contains(&format!("pid {pid} (certmill-test-session)")),
        "{words}"
    );
}

#[tokio::test]
async fn a_process_that_nobody_buries_is_told() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    let add = "INSERT INTO process (role, label, version, lease, expires_at) \
               VALUES ('worker', $1, '0', interval '30 s', clock_timestamp() + $2::int * interval '1 s')";
    for (label, expires_in, level) in [
        ("fine", 20, Level::Ok),
        ("late", -5, Level::Ok),
        ("lost", -120, Level::Warn),
    ] {
        sqlx::query(add)
            .bind(label)
            .bind(expires_in)
            .execute(db.app())
            .await
            .unwrap();
        let (found, words) = worst(&patient, "processes").await;
        assert_eq!(found, level, "{label}: {words}");
        assert!(
            level == Level::Ok || words.contains("worker lost (0 jobs)"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn key_files_must_be_private_and_those_of_the_database() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    let (level, words) = worst(&patient, "key_files").await;
    assert!(
        level == Level::Ok && words.contains("first start makes it"),
        "{words}"
    );
    let ring = |name: &str| {
        let kek = Kek::generate_into(&folder.path().join(name)).unwrap();
        Arc::new(Keyring::new(kek, Vec::new()))
    };
    let (ca, app) = (ring("ca.kek"), ring("app.kek"));
    certmill_service::bootstrap::seed(db.owner(), &ca, &app)
        .await
        .unwrap();
    assert_eq!(worst(&patient, "key_files").await.0, Level::Ok);

    let file = folder.path().join("app.kek");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (level, words) = worst(&patient, "key_files").await;
    assert!(level == Level::Fail && words.contains("0644"), "{words}");
    fs::remove_file(&file).unwrap();
    let (level, words) = worst(&patient, "key_files").await;
    assert!(
        level == Level::Fail && words.contains("is not here"),
        "{words}"
    );
    let other = Kek::generate_into(&file).unwrap();
    let (level, words) = worst(&patient, "key_files").await;
    assert_eq!(level, Level::Fail);
    assert!(
        words.contains(&other.id().to_string()) && words.contains(&app.current().id().to_string()),
        "{words}"
    );
}

#[tokio::test]
async fn authorities_and_the_own_certificate_must_live() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    let ring = || Arc::new(Keyring::new(Kek::generate().unwrap(), Vec::new()));
    certmill_service::bootstrap::seed(db.owner(), &ring(), &ring())
        .await
        .unwrap();
    let found = look(&patient, "issuing_ca").await;
    assert!(
        !found.is_empty() && found.iter().all(|one| one.level == Level::Ok),
        "{found:?}"
    );

    assert!(
        worst(&patient, "own_certificate")
            .await
            .1
            .contains("none yet")
    );
    let der: Vec<u8> =
        sqlx::query_scalar("SELECT certificate_der FROM ca_key WHERE parent_id IS NULL LIMIT 1")
            .fetch_one(db.owner())
            .await
            .unwrap();
    fs::create_dir(folder.path().join("api-tls")).unwrap();
    let chain = folder.path().join("api-tls/chain.pem");
    fs::write(&chain, certmill_crypto::chain::certificate_pem(&der)).unwrap();
    let (level, words) = worst(&patient, "own_certificate").await;
    assert_eq!(level, Level::Ok, "{words}");
    fs::write(&chain, "nothing").unwrap();
    assert_eq!(worst(&patient, "own_certificate").await.0, Level::Fail);

    for (ends, level) in [("20 days", Level::Warn), ("-1 s", Level::Fail)] {
        let statement = format!("UPDATE ca_key SET not_after = now() + interval '{ends}'");
        db.owner().execute(AssertSqlSafe(statement)).await.unwrap();
        assert_eq!(worst(&patient, "issuing_ca").await.0, level, "{ends}");
    }
}

#[tokio::test]
async fn what_a_killed_server_leaves_is_told() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let patient = patient(&db, folder.path()).await;
    assert!(look(&patient, "leftovers").await.is_empty());
    let pgdata = folder.path().join("pgdata-17");
    fs::create_dir(&pgdata).unwrap();
    assert_eq!(worst(&patient, "leftovers").await.0, Level::Ok);
    fs::write(pgdata.join("postmaster.pid"), "1\n").unwrap();
    assert_eq!(worst(&patient, "leftovers").await.0, Level::Warn);
}
