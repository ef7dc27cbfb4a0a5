//! A begin that is dropped half-way must not hand an open transaction to whoever comes next.
//!
//! The control runs the same steps with the pool's own `begin` and must see the fault, or the test
//! proves nothing.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use certmill_pg::{ConnectOptions, Pool, connect};
use certmill_testkit::TestDb;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgExecutor};

/// More polls than `begin` needs until it is ready.
const MOST_POLLS: u32 = 12;

/// Polls `begin` this often, each time after the server had time to answer, then drops it.
async fn cancel_after(pool: &Pool, polls: u32) {
    let mut begin = Box::pin(certmill_pg::begin(pool));
    for _ in 0..polls {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(tx) = begin.as_mut().poll(&mut context) {
            drop(tx);
            return;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Whether the pool's only connection is inside a transaction that nobody began.
async fn is_poisoned(pool: &Pool, observer: &mut PgConnection) -> bool {
    let mut conn = pool.acquire().await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    let state: String = sqlx::query_scalar("SELECT state FROM pg_stat_activity WHERE pid = $1")
        .bind(pid)
        .fetch_one(observer)
        .await
        .unwrap();
    conn.close_on_drop();
    state.starts_with("idle in transaction")
}

async fn count_poisoned(pool: &Pool, db: &TestDb) -> u32 {
    let mut observer = db.session().await;
    let mut poisoned = 0;
    for polls in 1..=MOST_POLLS {
        // A connection must be idle, so that the polls go to BEGIN and not to connecting.
        sqlx::query("SELECT 1").execute(pool).await.unwrap();
        cancel_after(pool, polls).await;
        poisoned += u32::from(is_poisoned(pool, &mut observer).await);
    }
    poisoned
}

#[tokio::test]
async fn cancelled_begins_never_poison_the_pool() {
    let db = TestDb::new().await;
    let options = ConnectOptions::new("test").max_connections(1);
    let ours = connect(&db.app_url(), options).await.unwrap();
    assert_eq!(count_poisoned(&ours, &db).await, 0);
}

/// Drops a begin while its statement is sent and cannot be answered: the backend is stopped.
async fn cancel_unanswered<T>(pid: i32, begin: impl Future<Output = T>) {
    let backend = Pid::from_raw(pid).unwrap();
    kill_process(backend, Signal::STOP).unwrap();
    let mut begin = Box::pin(begin);
    // Polled until it waits for the answer, on a task of its own or not.
    for _ in 0..3 {
        let mut context = Context::from_waker(Waker::noop());
        assert!(
            begin.as_mut().poll(&mut context).is_pending(),
            "a stopped backend cannot answer"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(begin);
    kill_process(backend, Signal::CONT).unwrap();
}

async fn backend_of(db: impl PgExecutor<'_>) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(db)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_unanswered_begin_is_carried_through_and_undone() {
    let db = TestDb::new().await;
    let options = ConnectOptions::new("test").max_connections(1);
    let ours = connect(&db.app_url(), options).await.unwrap();
    let backend = backend_of(&ours).await;
    cancel_unanswered(backend, certmill_pg::begin(&ours)).await;
    assert!(!is_poisoned(&ours, &mut db.session().await).await);
}

#[tokio::test]
async fn the_begin_of_the_pool_hands_it_on() {
    let db = TestDb::new().await;
    // Handed out without a ping, so that the first poll sends `BEGIN`.
    let bare = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_lazy_with((*db.app().connect_options()).clone());
    let backend = backend_of(&bare).await;
    while bare.num_idle() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    cancel_unanswered(backend, bare.begin()).await;
    assert!(
        is_poisoned(&bare.into(), &mut db.session().await).await,
        "the control saw no fault"
    );
}
