//! Where a pool works, and what it refuses to work on.

use std::time::Duration;

use certmill_pg::embedded::{Embedded, EmbeddedOptions};
use certmill_pg::{Acknowledged, ConnectOptions, Error, Pool, begin, connect, connect_beside};
use certmill_testkit::{TestDb, cache_dir, until};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::SecretString;
use sqlx::types::time::OffsetDateTime;

use crate::embedded::open_folder;

async fn working(url: &SecretString) -> certmill_pg::Result<Pool> {
    let options = ConnectOptions {
        with_history: true,
        acquire_timeout: Duration::from_secs(2),
        ..ConnectOptions::new("test").max_connections(3)
    };
    connect(url, options).await
}

fn change(id: i64) -> Acknowledged {
    Acknowledged {
        id,
        at: OffsetDateTime::UNIX_EPOCH,
        team_id: 1,
        actor: "key_1".to_owned(),
        action: "test.done",
        object: "a".to_owned(),
    }
}

/// What a restart of the server leaves to be compared.
async fn remembered_after_restart(server: &Embedded, pool: &Pool) -> Vec<i64> {
    let postmaster = server.pid().unwrap();
    let raw = Pid::from_raw(postmaster.try_into().unwrap()).unwrap();
    kill_process(raw, Signal::QUIT).unwrap();
    until(|| async { server.pid().is_some_and(|pid| pid != postmaster) }).await;
    let history = pool.history().unwrap();
    until(|| async { sqlx::query("SELECT 1").execute(pool).await.is_ok() }).await;
    history.moved().await;
    let moved = history.to_look_into().unwrap();
    assert!(moved.from.started_at < moved.to.started_at);
    assert_eq!(
        (moved.from.system, moved.from.timeline),
        (moved.to.system, moved.to.timeline)
    );
    moved.remembered.iter().map(|one| one.id).collect()
}

#[tokio::test]
async fn what_was_committed_is_remembered_through_a_restart_of_the_server() {
    let dir = open_folder();
    let options = EmbeddedOptions::new(dir.path().join("data"), cache_dir());
    let server = Embedded::start(options, &|_| {}).await.unwrap();
    let pool = working(&server.app_url()).await.unwrap();
    for (id, commits) in [(1, true), (2, false), (3, true)] {
        let mut tx = begin(&pool).await.unwrap();
        assert!(tx.is_remembered());
        tx.wrote([change(id)]);
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
    }
    let history = pool.history().unwrap();
    assert!(history.to_look_into().is_none(), "nothing has happened yet");
    assert_eq!(remembered_after_restart(&server, &pool).await, [1, 3]);
    let plain = connect(&server.app_url(), ConnectOptions::new("test"))
        .await
        .unwrap();
    assert!(plain.history().is_none(), "it was not asked for");
    pool.close().await;
    plain.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused_with_words() {
    let db = TestDb::new().await;
    let pool = working(&db.app_url()).await.unwrap();
    let read_only = "DO $$ BEGIN EXECUTE format( \
         'ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
    sqlx::query(read_only).execute(db.owner()).await.unwrap();
    let at_start = working(&db.app_url()).await.unwrap_err();
    let beside = connect_beside(&pool).await.unwrap_err();
    for error in [at_start, beside] {
        let words = error.to_string();
        assert!(matches!(error, Error::Unavailable(_)), "{words}");
        assert!(words.contains("standby or read-only"), "{words}");
    }
    let mut held = Vec::new();
    let error = loop {
        match pool.acquire().await {
            Ok(conn) => held.push(conn),
            Err(error) => break Error::from(error),
        }
    };
    assert!(
        error.to_string().contains("standby or read-only"),
        "{error}"
    );
    assert!(held.len() < 3, "a new connection was handed out");
}
