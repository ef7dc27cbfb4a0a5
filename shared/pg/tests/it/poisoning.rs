//! A dropped `pool.begin()` must not hand an open transaction to whoever comes next.
//!
//! The control runs the same steps on a pool without the release hook and must see the fault, or
//! the test proves nothing.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use certmill_pg::{ConnectOptions, Pool, connect};
use certmill_testkit::TestDb;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgConnection;
use sqlx::postgres::PgPoolOptions;

/// More polls than `begin` needs until it is ready.
const MOST_POLLS: u32 = 12;

/// Polls `begin` this often, each time after the server had time to answer, then drops it.
async fn cancel_after(pool: &Pool, polls: u32) {
    let mut begin = Box::pin(pool.begin());
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
    conn.close().await.unwrap();
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

/// Drops `begin` while its statement is sent and cannot be answered: the backend is stopped.
async fn cancel_unanswered_begin(pool: &Pool) {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(pool)
        .await
        .unwrap();
    while pool.num_idle() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let backend = Pid::from_raw(pid).unwrap();
    kill_process(backend, Signal::STOP).unwrap();
    let mut begin = Box::pin(pool.begin());
    let polled = begin.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let answered = polled.is_ready();
    drop(polled);
    drop(begin);
    kill_process(backend, Signal::CONT).unwrap();
    assert!(!answered, "a stopped backend cannot answer");
}

/// One connection, handed out without a ping, so that the first poll sends `BEGIN`.
fn single(options: PgPoolOptions, db: &TestDb) -> Pool {
    options
        .max_connections(1)
        .test_before_acquire(false)
        .connect_lazy_with((*db.app().connect_options()).clone())
}

#[tokio::test]
async fn an_unanswered_begin_is_ended_by_the_release_hook() {
    let db = TestDb::new().await;
    let ours = single(db.app().options().clone(), &db);
    cancel_unanswered_begin(&ours).await;
    assert!(!is_poisoned(&ours, &mut db.session().await).await);
}

#[tokio::test]
async fn without_the_release_hook_it_is_handed_on() {
    let db = TestDb::new().await;
    let bare = single(PgPoolOptions::new(), &db);
    cancel_unanswered_begin(&bare).await;
    assert!(
        is_poisoned(&bare, &mut db.session().await).await,
        "the control saw no fault"
    );
}

#[tokio::test]
async fn an_aborted_transaction_is_not_handed_on() {
    let db = TestDb::new().await;
    let options = ConnectOptions::new("test").max_connections(1);
    let pool = connect(&db.app_url(), options).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    // By hand, so that sqlx does not know of the transaction.
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await.unwrap();
    sqlx::raw_sql("SELECT 1/0")
        .execute(&mut *conn)
        .await
        .unwrap_err();
    drop(conn);
    let mut observer = db.session().await;
    assert!(!is_poisoned(&pool, &mut observer).await);
}
