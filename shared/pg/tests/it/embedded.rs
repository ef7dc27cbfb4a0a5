//! The embedded server: start, restart, crash, refusals. fsync stays on here.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certmill_pg::embedded::{Embedded, EmbeddedOptions};
use certmill_pg::{ConnectOptions, connect, connect_one};
use certmill_testkit::cache_dir;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::Executor;

use crate::child::{self, Ask};

/// A folder that the server's user can reach, unlike tempfile's 0700.
pub fn open_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

async fn start(data: &Path) -> certmill_pg::Result<Embedded> {
    Embedded::start(EmbeddedOptions::new(data, cache_dir()), &|_| {}).await
}

fn pgdata(server: &Embedded, data: &Path) -> PathBuf {
    data.join(format!("pgdata-{}", server.major()))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn kill_hard(pid: u32) {
    kill_process(
        Pid::from_raw(pid.try_into().unwrap()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
}

#[tokio::test]
async fn a_fresh_start_is_safe_and_a_restart_keeps_the_rows() {
    let dir = open_folder();
    let data = dir.path().join("data");
    let server = start(&data).await.unwrap();
    let owner_uid = fs::metadata(pgdata(&server, &data)).unwrap().uid();
    assert_ne!(owner_uid, 0, "the server must not run as root");
    let mut conn = connect_one(&server.owner_url(), &ConnectOptions::new("test"))
        .await
        .unwrap();
    let settings: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'data_checksums', \
         'server_encoding', 'listen_addresses', 'password_encryption') ORDER BY name",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let values: Vec<&str> = settings.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["on", "on", "", "scram-sha-256", "UTF8"]);
    conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        .await
        .unwrap();
    drop(conn);
    server.stop().await;
    assert_eq!(server.pid(), None);
    let begun = Instant::now();
    let again = start(&data).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "restart took {:?}",
        begun.elapsed()
    );
    let mut conn = connect_one(&again.owner_url(), &ConnectOptions::new("test"))
        .await
        .unwrap();
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(answer, 42);
    again.stop().await;
    let log = fs::read_to_string(data.join("postgres.log")).unwrap();
    assert!(
        log.trim_end().ends_with("database system is shut down"),
        "{log}"
    );
    assert!(!log.contains("was not properly shut down"), "{log}");
}

#[tokio::test]
async fn a_second_instance_is_refused_in_words() {
    let dir = open_folder();
    let server = start(dir.path()).await.unwrap();
    let words = start(dir.path()).await.unwrap_err().to_string();
    assert!(words.contains("in use by another certmill"), "{words}");
    assert!(words.contains(&std::process::id().to_string()), "{words}");
    server.stop().await;
}

#[tokio::test]
async fn a_killed_postmaster_comes_back_with_its_rows() {
    let dir = open_folder();
    let server = start(dir.path()).await.unwrap();
    let pool = connect(&server.owner_url(), ConnectOptions::new("test"))
        .await
        .unwrap();
    pool.execute("CREATE TABLE kept (id int)").await.unwrap();
    for round in 1..=3_i64 {
        pool.execute("INSERT INTO kept VALUES (1)").await.unwrap();
        let before = server.pid().unwrap();
        kill_hard(before);
        wait_for_another(&server, before).await;
        assert_eq!(count_when_back(&pool).await, round);
    }
    pool.close().await;
    server.stop().await;
}

/// Sessions of the killed server answer for a moment longer: its successor is awaited first.
async fn wait_for_another(server: &Embedded, before: u32) {
    let begun = Instant::now();
    while server.pid().is_none_or(|pid| pid == before) {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "no server after {before}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn count_when_back(pool: &certmill_pg::Pool) -> i64 {
    let begun = Instant::now();
    loop {
        match sqlx::query_scalar("SELECT count(*) FROM kept")
            .fetch_one(pool)
            .await
        {
            Ok(rows) => return rows,
            Err(error) => {
                let error = certmill_pg::Error::from(error);
                assert!(error.is_retryable(), "{error}");
                assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_killed_parent_takes_the_server_down_cleanly() {
    let dir = open_folder();
    let data = dir.path().join("data");
    let cache = cache_dir();
    let ask = Ask {
        data: &data,
        cache: &cache,
        bundle_only: false,
        as_nobody: false,
        offline: false,
    };
    let (process, line) = child::start(&ask);
    child::kill(process, &line);
    let log = fs::read_to_string(data.join("postgres.log")).unwrap();
    assert!(
        log.trim_end().ends_with("database system is shut down"),
        "{log}"
    );
}

#[tokio::test]
async fn killed_together_it_recovers_at_the_next_start() {
    let dir = open_folder();
    let data = dir.path().join("data");
    let cache = cache_dir();
    let ask = Ask {
        data: &data,
        cache: &cache,
        bundle_only: false,
        as_nobody: false,
        offline: false,
    };
    let (mut process, line) = child::start(&ask);
    kill_hard(child::server_pid(&line));
    process.kill().unwrap();
    process.wait().unwrap();
    let server = start(&data).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn it_runs_as_an_ordinary_user() {
    if !is_root() {
        // The other tests of this file run as an ordinary user already.
        return;
    }
    let dir = open_folder();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(65_534), Some(65_534)).unwrap();
    let cache = cache_dir();
    let ask = Ask {
        data: &data,
        cache: &cache,
        bundle_only: false,
        as_nobody: true,
        offline: false,
    };
    let (process, line) = child::start(&ask);
    let owner = fs::metadata(format!("/proc/{}", child::server_pid(&line)))
        .unwrap()
        .uid();
    assert_eq!(owner, 65_534);
    child::kill(process, &line);
}

#[tokio::test]
async fn a_folder_that_the_server_cannot_enter_is_named() {
    if !is_root() {
        return;
    }
    let dir = open_folder();
    let shut = dir.path().join("shut");
    fs::create_dir(&shut).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
    let words = start(&shut.join("data")).await.unwrap_err().to_string();
    assert!(
        words.contains(&format!("chmod o+x {}", shut.display())),
        "{words}"
    );
}

#[tokio::test]
async fn another_major_version_is_refused_in_words() {
    let dir = open_folder();
    let old = dir.path().join("pgdata-13");
    fs::create_dir(&old).unwrap();
    fs::write(old.join("PG_VERSION"), "13\n").unwrap();
    let words = start(dir.path()).await.unwrap_err().to_string();
    assert!(
        words.contains("PostgreSQL 13") && words.contains("pg_upgrade"),
        "{words}"
    );
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_falls_back_to_loopback() {
    let dir = open_folder();
    let data = dir.path().join("x".repeat(100));
    let server = start(&data).await.unwrap();
    let mut conn = connect_one(&server.app_url(), &ConnectOptions::new("test"))
        .await
        .unwrap();
    let address: String = sqlx::query_scalar("SELECT host(inet_server_addr())")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(address, "127.0.0.1");
    server.stop().await;
}

#[tokio::test]
async fn a_pid_file_that_names_another_process_does_not_bar_the_start() {
    let dir = open_folder();
    let server = start(dir.path()).await.unwrap();
    let folder = pgdata(&server, dir.path());
    server.stop().await;
    let mut bystander = bystander();
    fs::write(
        folder.join("postmaster.pid"),
        format!("{}\n", bystander.id()),
    )
    .unwrap();
    let again = start(dir.path()).await.unwrap();
    again.stop().await;
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

fn bystander() -> std::process::Child {
    std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_lost_password_file_is_explained() {
    let dir = open_folder();
    let server = start(dir.path()).await.unwrap();
    server.stop().await;
    fs::remove_file(dir.path().join("pg-superuser.password")).unwrap();
    let words = start(dir.path()).await.unwrap_err().to_string();
    assert!(words.contains("pg-superuser.password"), "{words}");
}
