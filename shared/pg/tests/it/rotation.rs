//! A password that is changed while a pool is in use: few tries, and in again with the new secret.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use certmill_pg::{ConnectOptions, Error, LoginKeeper, TlsRule, connect, connect_one};
use secrecy::{ExposeSecret, SecretString};
use sqlx::Executor;

/// As long as the old secret is in place: one try every 5 s is two at most, and the first rush.
const REFUSED_FOR: Duration = Duration::from_secs(8);
const TRIES_AT_MOST: usize = 8;

#[tokio::test]
async fn a_rotated_password_is_tried_seldom_and_picked_up() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o711),
    )
    .unwrap();
    let server = certmill_testkit::start_server(folder.path()).await.unwrap();
    let (url, options) = (server.superuser_url(), ConnectOptions::new("test"));
    let mut admin = connect_one(&url, &options).await.unwrap();
    let secret = Arc::new(Mutex::new(server.app_url()));
    let pool = connect(&server.app_url(), options.max_connections(4))
        .await
        .unwrap();
    let source = {
        let secret = secret.clone();
        Arc::new(move || Ok(secret.lock().unwrap().clone()))
    };
    let keeper = LoginKeeper::new(pool.clone(), source, TlsRule::VerifyFull);
    let keeping = tokio::spawn(keeper.keep());

    admin
        .execute("ALTER ROLE certmill_app PASSWORD 'canary-new'")
        .await
        .unwrap();
    let begun = Instant::now();
    let mut asked = 0;
    while begun.elapsed() < REFUSED_FOR {
        asked += 1;
        let error = Error::from(pool.acquire().await.unwrap_err());
        assert_eq!(error.sqlstate(), Some("28P01"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = std::fs::read_to_string(folder.path().join("postgres.log")).unwrap();
    let tries = log.matches("password authentication failed").count();
    assert!(
        asked > 50 && (1..=TRIES_AT_MOST).contains(&tries),
        "{asked} asked, {tries} tries"
    );

    let url = server.app_url();
    let (before, after) = url.expose_secret().split_once("certmill_app:").unwrap();
    let (_, place) = after.split_once('@').unwrap();
    *secret.lock().unwrap() =
        SecretString::from(format!("{before}certmill_app:canary-new@{place}"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while pool.acquire().await.is_err() {
        assert!(
            Instant::now() < deadline,
            "the new secret was not picked up"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let limit: String = sqlx::query_scalar("SELECT current_setting('lock_timeout')")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(limit, "5s", "the limits are those of the start");
    keeping.abort();
    pool.close().await;
    server.stop().await;
}
