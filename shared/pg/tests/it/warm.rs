//! Connections that are kept warm: what they save, and what they must not hold back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use certmill_pg::{Pool, begin};
use certmill_testkit::{TestDb, until};
use sqlx::postgres::PgPoolOptions;

/// How long a connection stays out of the hands of sqlx.
const WARM_FOR: Duration = Duration::from_secs(1);

/// A pool of so many connections, and how often sqlx took one back.
fn counted(db: &TestDb, most: u32) -> (Pool, Arc<AtomicUsize>) {
    let returned = Arc::new(AtomicUsize::new(0));
    let count = returned.clone();
    let pool = PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(5))
        .after_release(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(true) })
        })
        .connect_lazy_with((*db.app().connect_options()).clone());
    (pool.into(), returned)
}

async fn backend(pool: &Pool) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn statements_and_transactions_follow_each_other_on_one_connection_without_a_return() {
    let db = TestDb::new().await;
    let (pool, returned) = counted(&db, 5);
    let (first, began) = (backend(&pool).await, Instant::now());
    for _ in 0..30 {
        assert_eq!(backend(&pool).await, first);
        let all: Vec<i32> =
            sqlx::query_scalar("SELECT pg_backend_pid() FROM generate_series(1, 3)")
                .fetch_all(&pool)
                .await
                .unwrap();
        assert_eq!(all, [first; 3]);
        let mut tx = begin(&pool).await.unwrap();
        sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    let returns = returned.load(Ordering::SeqCst);
    let most = began.elapsed().as_secs() / WARM_FOR.as_secs();
    assert!(returns as u64 <= most, "{returns} returns");
    tokio::time::sleep(WARM_FOR).await;
    backend(&pool).await;
    until(|| async { returned.load(Ordering::SeqCst) > returns }).await;
}

#[tokio::test]
async fn who_waits_gets_what_comes_to_rest() {
    let db = TestDb::new().await;
    let (pool, _) = counted(&db, 1);
    for settled in [true, false, true] {
        let mut held = pool.acquire().await.unwrap();
        let (waiting, more) = (pool.clone(), pool.clone());
        let waits = async {
            tokio::join!(backend(&waiting), backend(&more));
        };
        let gives = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if settled {
                held.settle();
            }
            drop(held);
        };
        tokio::join!(waits, gives);
    }
}

#[tokio::test]
async fn many_at_once_open_no_more_connections_than_the_pool_holds() {
    let db = TestDb::new().await;
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let pool: Pool = PgPoolOptions::new()
        .max_connections(4)
        .after_connect(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(()) })
        })
        .connect_lazy_with((*db.app().connect_options()).clone())
        .into();
    let ask = |_| async {
        for _ in 0..50 {
            backend(&pool).await;
        }
    };
    futures::future::join_all((0..16).map(ask)).await;
    let opened = opened.load(Ordering::SeqCst);
    assert!(opened <= 4, "{opened} connections");
}

#[tokio::test]
async fn what_may_still_run_is_not_kept_warm() {
    let db = TestDb::new().await;
    let (pool, returned) = counted(&db, 1);
    backend(&pool).await;
    let slow = sqlx::query("SELECT pg_sleep(0.2)").execute(&pool);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), slow)
            .await
            .is_err()
    );
    until(|| async { returned.load(Ordering::SeqCst) == 1 }).await;
    let mut conn = pool.acquire().await.unwrap();
    conn.settle();
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
    drop(conn);
    until(|| async { returned.load(Ordering::SeqCst) == 2 }).await;
    drop(begin(&pool).await.unwrap());
    until(|| async { returned.load(Ordering::SeqCst) == 3 }).await;
    sqlx::query("SELECT 1 / 0")
        .execute(&pool)
        .await
        .unwrap_err();
    until(|| async { returned.load(Ordering::SeqCst) == 4 }).await;
}

#[tokio::test]
async fn a_pool_is_closed_although_its_connections_rest() {
    let db = TestDb::new().await;
    let (pool, _) = counted(&db, 3);
    tokio::join!(backend(&pool), backend(&pool), backend(&pool));
    tokio::time::timeout(Duration::from_secs(5), pool.close())
        .await
        .expect("nothing is held back");
    let refused = sqlx::query("SELECT 1").execute(&pool).await.unwrap_err();
    assert!(matches!(refused, sqlx::Error::PoolClosed), "{refused}");
}
