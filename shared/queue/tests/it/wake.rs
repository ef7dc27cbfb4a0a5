//! Hints arrive, survive a broken connection, and stay few.

use std::time::Duration;

use certmill_queue::{Hinter, Wake};
use certmill_tasks::{Shutdown, Tasks};

use crate::rig::*;

async fn woken_within_patience(wake: &mut Wake) {
    tokio::time::timeout(PATIENCE, wake.woken())
        .await
        .expect("a hint came");
}

#[tokio::test]
async fn hints_reach_listeners_also_after_their_connection_broke() {
    let db = db().await;
    let tasks = Tasks::new(Shutdown::new());
    let mut wake = Wake::listen(&tasks, db.app().clone());
    let hinter = Hinter::start(&tasks, db.app().clone());
    woken_within_patience(&mut wake).await;
    until(|| async { wake.is_connected() }).await;
    hinter.hint(LANE);
    woken_within_patience(&mut wake).await;

    let killed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() \
           AND (query ILIKE '%listen %' OR query ILIKE '%pg_notify%')",
    )
    .fetch_one(db.app())
    .await
    .unwrap();
    assert!(killed >= 2, "both connections were found: {killed}");
    woken_within_patience(&mut wake).await;
    until(|| async { wake.is_connected() }).await;
    // The first hint may meet the broken connection and be lost: that is what polling is for.
    let mut heard = wake.clone();
    let hints = async {
        loop {
            hinter.hint(LANE);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    while tokio::time::timeout(Duration::from_millis(1), heard.woken())
        .await
        .is_ok()
    {}
    tokio::select! {
        () = woken_within_patience(&mut heard) => {}
        () = hints => {}
    }
    assert!(tasks.shutdown(PATIENCE).await);
}

#[tokio::test]
async fn a_burst_of_hints_is_sent_as_few() {
    let db = db().await;
    let tasks = Tasks::new(Shutdown::new());
    let mut wake = Wake::listen(&tasks, db.app().clone());
    woken_within_patience(&mut wake).await;
    until(|| async { wake.is_connected() }).await;
    let hinter = Hinter::start(&tasks, db.app().clone());
    for n in 0..2000 {
        hinter.hint(LANE);
        if n % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    woken_within_patience(&mut wake).await;
    let mut heard = 1;
    while tokio::time::timeout(Duration::from_millis(200), wake.woken())
        .await
        .is_ok()
    {
        heard += 1;
    }
    assert!(heard < 30, "{heard}");
    Hinter::none().hint(LANE);
}
