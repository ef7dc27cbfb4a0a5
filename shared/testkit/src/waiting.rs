//! Waiting for what a test needs to be true: on events and rows with a deadline, never for a time.

use sqlx::PgConnection;
use std::future::Future;
use std::time::Duration;

use crate::TestDb;

/// How long a test waits for anything before it fails; long enough for two busy cores.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition holds.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let checked = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, checked).await;
    assert!(
        in_time.is_ok(),
        "the condition did not come true in {PATIENCE:?}"
    );
}

/// The backend that serves this connection.
///
/// # Panics
/// If the database does not answer.
#[allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "tests ask the server directly"
)]
pub async fn backend_pid(conn: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(conn)
        .await
        .expect("the database answers")
}

/// Waits until that backend waits for a lock.
///
/// # Panics
/// If it does not within [`PATIENCE`].
#[allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "tests ask the server directly"
)]
pub async fn until_blocked(db: &TestDb, pid: i32) {
    until(|| async move {
        sqlx::query_scalar::<_, bool>("SELECT cardinality(pg_blocking_pids($1)) > 0")
            .bind(pid)
            .fetch_one(db.app())
            .await
            .expect("the database answers")
    })
    .await;
}
