//! How answers of a real server become our errors, and the limits that connections carry.

use std::time::Duration;

use certmill_pg::{ConnectOptions, Error, connect, connect_one};
use certmill_testkit::TestDb;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection, Executor};

#[tokio::test]
async fn a_violated_constraint_comes_back_by_name() {
    let db = TestDb::new().await;
    let error = db
        .app()
        .execute("INSERT INTO team (name) VALUES ('default')")
        .await
        .unwrap_err();
    let error = Error::from(error);
    assert_eq!(error.constraint(), Some("team_name_unique"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn connections_carry_name_and_limits() {
    let db = TestDb::new().await;
    let pool = connect(&db.app_url(), ConnectOptions::new("scheduler"))
        .await
        .unwrap();
    for (setting, expected) in [
        ("application_name", "certmill-scheduler"),
        ("statement_timeout", "15s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(value, expected, "{setting}");
    }
}

#[tokio::test]
async fn behind_a_pooler_no_limits_are_sent() {
    let db = TestDb::new().await;
    let options = ConnectOptions {
        pooler: true,
        ..ConnectOptions::new("api")
    };
    let mut conn = connect_one(&db.app_url(), &options).await.unwrap();
    let limit: String = sqlx::query_scalar("SELECT current_setting('statement_timeout')")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(limit, "0");
}

#[tokio::test]
async fn a_lock_time_out_may_be_tried_again() {
    let db = TestDb::new().await;
    let mut holder = db.session().await;
    let mut tx = holder.begin().await.unwrap();
    tx.execute("SELECT 1 FROM team WHERE id = 1 FOR UPDATE")
        .await
        .unwrap();
    let options = ConnectOptions {
        lock_timeout: Duration::from_millis(50),
        ..ConnectOptions::new("test")
    };
    let mut waiting = connect_one(&db.app_url(), &options).await.unwrap();
    let error = waiting
        .execute("UPDATE team SET name = 'x' WHERE id = 1")
        .await
        .unwrap_err();
    let error = Error::from(error);
    assert_eq!(error.sqlstate(), Some("55P03"));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_terminated_backend_is_unavailable_and_the_pool_heals() {
    let db = TestDb::new().await;
    let pool = connect(&db.app_url(), ConnectOptions::new("test"))
        .await
        .unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    sqlx::query("SELECT pg_terminate_backend($1)")
        .bind(pid)
        .execute(db.app())
        .await
        .unwrap();
    let error = Error::from(conn.execute("SELECT 1").await.unwrap_err());
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(error.is_retryable());
    drop(conn);
    pool.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_never_shown() {
    let db = TestDb::new().await;
    let right = db.app_url();
    let (before, after) = right.expose_secret().split_once("certmill_app:").unwrap();
    let (_, host) = after.split_once('@').unwrap();
    let wrong = SecretString::from(format!("{before}certmill_app:canary42@{host}"));
    let error = connect(&wrong, ConnectOptions::new("test"))
        .await
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("28P01"), "{error}");
    let words = error.to_string();
    for way_out in [
        "ALTER ROLE certmill_app PASSWORD",
        "put the old secret back",
        "on an evaluation volume only",
    ] {
        assert!(words.contains(way_out), "{words}");
    }
    assert!(error.is_unavailable() && !error.is_retryable());
    assert!(!format!("{error} {error:?}").contains("canary42"));
}

#[tokio::test]
async fn each_refusal_of_a_login_has_its_own_words() {
    let db = TestDb::new().await;
    let right = db.app_url();
    let (before, after) = right.expose_secret().split_once("certmill_app:").unwrap();
    let (secret, place) = after.split_once('@').unwrap();
    let (_, options) = place.split_once('?').unwrap_or((place, ""));
    let missing = format!("{before}certmill_app:{secret}@localhost:5432/nowhere?{options}");
    let error = connect(&SecretString::from(missing), ConnectOptions::new("test"))
        .await
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("3D000"), "{error}");
    assert!(error.to_string().contains("CREATE DATABASE"), "{error}");
    // A role of its own: the others' logins are in use by tests beside this one.
    let mut superuser = connect_one(&db.superuser_url(), &ConnectOptions::new("test"))
        .await
        .unwrap();
    superuser
        .execute("CREATE ROLE barred NOLOGIN PASSWORD 'canary42'")
        .await
        .unwrap();
    let barred = right
        .expose_secret()
        .replace(&format!("certmill_app:{secret}"), "barred:canary42");
    let error = connect(&SecretString::from(barred), ConnectOptions::new("test"))
        .await
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("28000"), "{error}");
    assert!(error.to_string().contains("LOGIN right"), "{error}");
}

#[tokio::test]
async fn a_name_without_an_address_says_so() {
    let url = SecretString::from("postgres://u:canary42@nowhere.invalid/db?sslmode=verify-full");
    let error = connect(&url, ConnectOptions::new("test"))
        .await
        .unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("nowhere.invalid:5432: the host name cannot be resolved"),
        "{words}"
    );
    assert!(!format!("{error} {error:?}").contains("canary42"));
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = SecretString::from(format!("postgres://u:canary42@127.0.0.1:{port}/db"));
    let error = connect(&url, ConnectOptions::new("test"))
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let words = error.to_string();
    assert!(
        words.contains(&format!("127.0.0.1:{port}: nobody listens there")),
        "{words}"
    );
    assert!(!format!("{error} {error:?}").contains("canary42"));
}
