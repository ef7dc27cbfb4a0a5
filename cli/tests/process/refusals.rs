//! What a role says when its database cannot be used: exact words, exit code, no secret; and what
//! `doctor` says of the same database.
#![allow(clippy::disallowed_methods, reason = "faults are planted by SQL")]

use std::path::Path;
use std::time::Duration;

use certmill_pg::newest_migration;
use certmill_testkit::TestDb;
use rustix::process::Signal;
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::child::Child;
use crate::cluster::private_file;

const WITHIN: Duration = Duration::from_secs(30);

/// Runs a role that must refuse; answers its log.
pub async fn refused(folder: &Path, url: &str, code: i32) -> String {
    refused_with(folder, url, code, &[]).await
}

/// As [`refused`], with more in its environment.
pub async fn refused_with(folder: &Path, url: &str, code: i32, more: &[(&str, &str)]) -> String {
    let (mut child, log) = start_with(folder, url, &["worker"], more);
    let status = child.exit(WITHIN).await;
    let said = std::fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(code), "{said}");
    assert!(
        !said.contains("canary") && !said.contains("panicked"),
        "{said}"
    );
    said
}

fn start(folder: &Path, url: &str, args: &[&str]) -> (Child, std::path::PathBuf) {
    start_with(folder, url, args, &[])
}

fn start_with(
    folder: &Path,
    url: &str,
    args: &[&str],
    more: &[(&str, &str)],
) -> (Child, std::path::PathBuf) {
    let (secret, log) = (folder.join("database.url"), folder.join("log"));
    std::fs::remove_file(&log).ok();
    private_file(&secret, url);
    let env = [
        ("CERTMILL_DATABASE_URL_FILE", secret.display().to_string()),
        (
            "CERTMILL_DATA_DIR",
            folder.join("data").display().to_string(),
        ),
        ("CERTMILL_LOG__FORMAT", "json".to_owned()),
    ];
    let mut env: Vec<(String, String)> = env
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    env.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    (Child::start("refused", &args, &env, &log), log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_is_told_with_its_code_and_the_ways_out() {
    let _one = crate::ONE_AT_A_TIME.lock().await;
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let url = db.app_url();
    let (before, after) = url.expose_secret().split_once("certmill_app:").unwrap();
    let (secret, place) = after.split_once('@').unwrap();
    let wrong = format!("{before}certmill_app:canary@{place}");
    let said = refused(folder.path(), &wrong, 3).await;
    assert!(
        said.contains(
            "error: database (database_url): the database refused the password (SQLSTATE 28P01: \
             password authentication failed for user \"certmill_app\"); either set this password \
             in Postgres (ALTER ROLE certmill_app PASSWORD '...') and restart; or put the old \
             secret back; or, on an evaluation volume only, recreate the volume"
        ),
        "{said}"
    );
    let query = place.split_once('?').map_or("", |(_, query)| query);
    let nowhere = format!("{before}certmill_app:{secret}@localhost:5432/nowhere?{query}");
    let said = refused(folder.path(), &nowhere, 3).await;
    assert!(
        said.contains("SQLSTATE 3D000") && said.contains("CREATE DATABASE"),
        "{said}"
    );
    let silent = "postgres://certmill_app:canary@127.0.0.1:9/certmill";
    let said = refused(folder.path(), silent, 10).await;
    assert!(said.contains("127.0.0.1:9: nobody listens there"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_this_build_does_not_know_is_refused_with_both_versions() {
    let _one = crate::ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let known = newest_migration();
    let add = "INSERT INTO _sqlx_migrations VALUES (942, 'later', now(), true, '', 0)";
    for (plant, words) in [
        (
            add.to_owned(),
            format!("the database is at 942, this build knows 1..{known}; run the newer certmill"),
        ),
        (
            format!("UPDATE _sqlx_migrations SET success = false WHERE version = {known}"),
            format!("migration {known} was cut short"),
        ),
        (
            "UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 2".to_owned(),
            "migration 2 in the database differs from the one in this build".to_owned(),
        ),
    ] {
        let db = TestDb::new().await;
        db.owner().execute(AssertSqlSafe(plant)).await.unwrap();
        let said = refused(folder.path(), db.app_url().expose_secret(), 3).await;
        assert!(said.contains(&words), "{words}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections_are_told_at_the_start_and_by_doctor() {
    let _one = crate::ONE_AT_A_TIME.lock().await;
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let url = db.app_url();
    let other = (*db.app().connect_options()).clone();
    let _other = other
        .application_name("certmill-api max=190")
        .connect()
        .await
        .unwrap();
    let args = ["scheduler", "--set", "database.max_connections=50"];
    // The schema has no first rows, so that the role ends by itself after the warning.
    let (mut child, log) = start(folder.path(), url.expose_secret(), &args);
    let line = child.logged("too_many_connections", WITHIN).await;
    let words = line["message"].as_str().unwrap().to_owned();
    assert!(
        words.contains(
            "may open 243 connections (certmill-api 190, certmill-scheduler (this one) 53)"
        ),
        "{words}"
    );
    child.signal(Signal::TERM);
    drop(child);
    drop(log);
    let more = (*db.app().connect_options()).clone();
    let more = more.application_name("certmill-worker max=53");
    let _more = more.connect().await.unwrap();

    let (mut child, log) = start(
        folder.path(),
        url.expose_secret(),
        &["doctor", "--role", "scheduler", "-o", "json"],
    );
    let status = child.exit(WITHIN).await;
    let said = std::fs::read_to_string(&log).unwrap();
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    // The server of the tests runs without fsync.
    assert_eq!(
        (status.code(), report["worst"].as_str()),
        (Some(1), Some("fail")),
        "{said}"
    );
    let level = |id: &str| {
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["id"] == id);
        found.unwrap()["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(level("connections"), "warn", "{said}");
    assert_eq!(level("durability"), "fail", "{said}");
    for id in ["database", "schema", "role_rights", "pooler", "processes"] {
        assert_eq!(level(id), "ok", "{id}: {said}");
    }
}
