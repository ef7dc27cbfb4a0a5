//! The end of a worker: what it has begun, what it has claimed, and what it was about to claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use certmill_queue::apalis::{JobSource, RunOptions, run_worker};
use certmill_queue::finish::complete;
use certmill_queue::process::resign;
use certmill_tasks::Shutdown;
use serde_json::json;

use crate::rig::*;

#[tokio::test]
async fn a_shutdown_claims_no_more_and_gives_running_jobs_the_grace() {
    let db = db().await;
    let a = register(&db, "a").await;
    for _ in 0..20 {
        add(&db, &new_job()).await;
    }
    let shutdown = Shutdown::new();
    let source = JobSource::new(source_options(&db, a, Duration::from_millis(50)));
    let ended = Arc::new(AtomicUsize::new(0));
    let (asked, pool, count) = (shutdown.clone(), db.app().clone(), ended.clone());
    let handler = move |job: certmill_queue::ClaimedJob| {
        let (asked, pool, count) = (asked.clone(), pool.clone(), count.clone());
        async move {
            assert!(!asked.is_requested(), "no job begins after the shutdown");
            asked.requested().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let mut conn = pool.acquire().await.unwrap();
            complete(&mut conn, &[(job.lease, &json!(null))])
                .await
                .unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    tokio::join!(
        run_worker(run_options(4), source, handler, shutdown.clone()),
        async {
            until(|| async {
                let n: i64 = sqlx::query_scalar("SELECT count(*) FROM job WHERE state = 1")
                    .fetch_one(db.app())
                    .await
                    .unwrap();
                n >= 4
            })
            .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            shutdown.request();
        }
    );
    assert_eq!(ended.load(Ordering::SeqCst), 4);
    resign(&mut conn(&db).await, a).await.unwrap();
    let running: i64 =
        sqlx::query_scalar("SELECT count(*) FROM job WHERE state = 1 OR attempt > 0")
            .fetch_one(db.app())
            .await
            .unwrap();
    assert_eq!(
        (running, live(&db).await),
        (0, 16),
        "what was claimed ahead is free again"
    );
}

/// Claims wait in the middle of their statement while somebody holds advisory lock 1.
const SLOW_CLAIMS: &str = "
    CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
    CREATE TRIGGER hold_up BEFORE UPDATE ON job FOR EACH ROW WHEN (NEW.state = 1) EXECUTE FUNCTION hold_up();";

#[tokio::test]
async fn a_claim_that_is_under_way_at_the_shutdown_leaves_nothing_to_the_rescue() {
    let db = db().await;
    let a = register(&db, "a").await;
    sqlx::raw_sql(SLOW_CLAIMS)
        .execute(db.owner())
        .await
        .unwrap();
    let mut holder = certmill_pg::begin(db.owner()).await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(1)")
        .execute(&mut *holder)
        .await
        .unwrap();
    add(&db, &new_job()).await;
    let shutdown = Shutdown::new();
    let source = JobSource::new(source_options(&db, a, Duration::from_millis(50)));
    let handler = |_| async { panic!("no job begins after the shutdown") };
    let waits = || async {
        let n: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
        )
        .fetch_one(db.owner())
        .await
        .unwrap();
        n == 1
    };
    let drained = AtomicBool::new(false);
    tokio::join!(
        async {
            run_worker(run_options(4), source, handler, shutdown.clone()).await;
            drained.store(true, Ordering::SeqCst);
        },
        async {
            until(waits).await;
            shutdown.request();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!drained.load(Ordering::SeqCst), "it waits for the claim");
            holder.rollback().await.unwrap();
        }
    );
    assert_eq!(resign(&mut conn(&db).await, a).await.unwrap(), 1);
    let free: bool = sqlx::query_scalar("SELECT state = 0 AND attempt = 0 AND lost = 0 FROM job")
        .fetch_one(db.app())
        .await
        .unwrap();
    assert!(free, "the job waits as if nobody had had it");
}

#[tokio::test]
async fn the_grace_is_bounded() {
    let db = db().await;
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    let shutdown = Shutdown::new();
    let source = JobSource::new(source_options(&db, a, Duration::from_millis(50)));
    let options = RunOptions {
        grace: Duration::from_millis(200),
        ..run_options(4)
    };
    let handler = |_| std::future::pending::<()>();
    let running = || async {
        let n: i64 = sqlx::query_scalar("SELECT count(*) FROM job WHERE state = 1")
            .fetch_one(db.app())
            .await
            .unwrap();
        n == 1
    };
    let began = Instant::now();
    let work = async {
        tokio::join!(
            run_worker(options, source, handler, shutdown.clone()),
            async {
                until(running).await;
                shutdown.request();
            }
        );
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
}
