//! The apalis adapter: concurrency, lanes, wake-ups, panics, shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use certmill_domain::job::JobState;
use certmill_queue::apalis::{JobSource, RunOptions, SourceOptions, run_worker};
use certmill_queue::finish::complete;
use certmill_queue::process::resign;
use certmill_queue::{Hinter, Lane, NewJob, ProcessId, Start, Wake, enqueue_all, lane, read};
use certmill_tasks::{Shutdown, Tasks};
use certmill_testkit::TestDb;
use serde_json::json;

use crate::rig::*;
use crate::swallow::Swallow;

fn source(db: &TestDb, process_id: ProcessId, poll: Duration) -> (JobSource, Wake) {
    let options = source_options(db, process_id, poll);
    let wake = options.wake.clone();
    (JobSource::new(options), wake)
}

async fn live(db: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM job")
        .fetch_one(db.app())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_worker_runs_everything_once_within_its_concurrency() {
    let db = db().await;
    let a = register(&db, "a").await;
    let jobs: Vec<NewJob> = (0..300).map(|_| new_job()).collect();
    enqueue_all(&mut conn(&db).await, &jobs).await.unwrap();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (pool, seen) = (db.app().clone(), (running.clone(), most.clone()));
    let handler = move |job: certmill_queue::ClaimedJob| {
        let (pool, (running, most)) = (pool.clone(), seen.clone());
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let mut conn = pool.acquire().await.unwrap();
            complete(&mut conn, &[(job.lease, &json!(null))])
                .await
                .unwrap();
            running.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let shutdown = Shutdown::new();
    let (source, _) = source(&db, a, Duration::from_millis(100));
    tokio::join!(
        run_worker(run_options(4), source, handler, shutdown.clone()),
        async {
            until(|| async { live(&db).await == 0 }).await;
            shutdown.request();
        }
    );
    let most = most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} at once");
    let twice: i64 = sqlx::query_scalar("SELECT count(*) FROM job_history WHERE attempt > 1")
        .fetch_one(db.app())
        .await
        .unwrap();
    assert_eq!(twice, 0);
}

#[tokio::test]
async fn lanes_that_need_a_key_or_are_not_meant_are_left_alone() {
    let db = db().await;
    let a = register(&db, "a").await;
    for (name, needs_key) in [("wkey", true), ("other", false)] {
        let lane = Lane {
            name: name.into(),
            needs_key,
        };
        lane::declare(&mut conn(&db).await, &lane).await.unwrap();
        add(
            &db,
            &NewJob {
                queue: name.into(),
                ..new_job()
            },
        )
        .await;
    }
    let id = add(&db, &new_job()).await;
    let shutdown = Shutdown::new();
    let (source, _) = source(&db, a, Duration::from_millis(50));
    let (sender, mut claimed) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |job: certmill_queue::ClaimedJob| {
        let sender = sender.clone();
        async move {
            sender.send(job.lease.job_id).unwrap();
        }
    };
    tokio::join!(
        run_worker(run_options(4), source, handler, shutdown.clone()),
        async {
            assert_eq!(claimed.recv().await, Some(id));
            tokio::time::sleep(Duration::from_millis(300)).await;
            shutdown.request();
        }
    );
    assert_eq!(claimed.recv().await, None);
}

#[tokio::test]
async fn a_hint_and_a_due_instant_beat_the_poll() {
    let db = db().await;
    let a = register(&db, "a").await;
    let shutdown = Shutdown::new();
    let (source, wake) = source(&db, a, Duration::from_secs(60));
    let (sender, mut claimed) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |job: certmill_queue::ClaimedJob| {
        let sender = sender.clone();
        async move {
            sender.send((job.lease.job_id, Instant::now())).unwrap();
        }
    };
    tokio::join!(
        run_worker(run_options(4), source, handler, shutdown.clone()),
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let id = add(&db, &new_job()).await;
            let hinted = Instant::now();
            wake.wake();
            let (first, at) = claimed.recv().await.unwrap();
            assert_eq!(first, id);
            assert!(at - hinted < Duration::from_secs(2));
            let later = NewJob {
                start: Start::After(Duration::from_millis(400)),
                ..new_job()
            };
            let added = Instant::now();
            add(&db, &later).await;
            wake.wake();
            let (_, at) = claimed.recv().await.unwrap();
            assert!(at - added < Duration::from_secs(3) && at - added > Duration::from_millis(350));
            shutdown.request();
        }
    );
}

#[tokio::test]
async fn panics_and_timeouts_fail_the_attempt() {
    let db = db().await;
    let a = register(&db, "a").await;
    let slow = add(
        &db,
        &NewJob {
            kind: "slow".into(),
            ..new_job()
        },
    )
    .await;
    let bad = add(
        &db,
        &NewJob {
            kind: "bad".into(),
            ..new_job()
        },
    )
    .await;
    let shutdown = Shutdown::new();
    let (source, _) = source(&db, a, Duration::from_millis(50));
    let handler = |job: certmill_queue::ClaimedJob| async move {
        assert_eq!(job.kind, "slow", "this handler panics on purpose");
        std::future::pending::<()>().await;
    };
    let options = RunOptions {
        timeout: Duration::from_millis(200),
        ..run_options(4)
    };
    tokio::join!(
        run_worker(options, source, handler, shutdown.clone()),
        async {
            for (id, code) in [(bad, "panic"), (slow, "timeout")] {
                until(|| async {
                    let row = read::by_id(&mut conn(&db).await, id)
                        .await
                        .unwrap()
                        .unwrap();
                    row.state == JobState::Retryable && row.error.unwrap()["code"] == code
                })
                .await;
            }
            shutdown.request();
        }
    );
}

/// Jobs of one claim share tasks; what one of them does is its own affair.
#[tokio::test]
async fn a_job_that_waits_or_panics_harms_no_other_of_its_hand() {
    let db = db().await;
    let a = register(&db, "a").await;
    let kinds = ["waits", "bad"].into_iter().chain(["good"; 30]);
    let jobs: Vec<NewJob> = kinds
        .map(|kind| NewJob {
            kind: kind.into(),
            ..new_job()
        })
        .collect();
    enqueue_all(&mut conn(&db).await, &jobs).await.unwrap();
    let shutdown = Shutdown::new();
    let (source, _) = source(&db, a, Duration::from_millis(50));
    let (asked, pool) = (shutdown.clone(), db.app().clone());
    let handler = move |job: certmill_queue::ClaimedJob| {
        let (asked, pool) = (asked.clone(), pool.clone());
        async move {
            match job.kind.as_str() {
                "waits" => asked.requested().await,
                "bad" => panic!("on purpose"),
                _ => {
                    let mut conn = pool.acquire().await.unwrap();
                    complete(&mut conn, &[(job.lease, &json!(null))])
                        .await
                        .unwrap();
                }
            }
        }
    };
    tokio::join!(
        run_worker(run_options(32), source, handler, shutdown.clone()),
        async {
            until(|| async { live(&db).await == 2 }).await;
            until(|| async {
                let states: Vec<(String, i16)> =
                    sqlx::query_as("SELECT kind, state FROM job ORDER BY kind")
                        .fetch_all(db.app())
                        .await
                        .unwrap();
                states == [("bad".to_owned(), 0), ("waits".to_owned(), 1)]
            })
            .await;
            shutdown.request();
        }
    );
}

#[tokio::test]
async fn a_hinted_lane_is_claimed_from_long_before_the_poll() {
    let db = db().await;
    let a = register(&db, "a").await;
    let tasks = Tasks::new(Shutdown::new());
    let mut wake = Wake::listen(&tasks, db.app().clone());
    wake.woken().await;
    let hinter = Hinter::start(&tasks, db.app().clone());
    let source = JobSource::new(SourceOptions {
        wake,
        ..source_options(&db, a, Duration::from_secs(300))
    });
    let (sender, mut claimed) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |job: certmill_queue::ClaimedJob| {
        let sender = sender.clone();
        async move {
            sender.send(job.lease.job_id).unwrap();
        }
    };
    let shutdown = Shutdown::new();
    tokio::join!(
        run_worker(run_options(4), source, handler, shutdown.clone()),
        async {
            for _ in 0..3 {
                // Whatever was looked at is an old look by now.
                tokio::time::sleep(Duration::from_millis(400)).await;
                let id = add(&db, &new_job()).await;
                hinter.hint(LANE);
                let heard = tokio::time::timeout(PATIENCE, claimed.recv()).await;
                assert_eq!(heard.expect("the hint was followed"), Some(id));
            }
            shutdown.request();
        }
    );
    assert!(tasks.shutdown(PATIENCE).await);
}

#[tokio::test]
async fn a_shutdown_claims_no_more_and_gives_running_jobs_the_grace() {
    let db = db().await;
    let a = register(&db, "a").await;
    for _ in 0..20 {
        add(&db, &new_job()).await;
    }
    let shutdown = Shutdown::new();
    let (source, _) = source(&db, a, Duration::from_millis(50));
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
    let mut holder = conn(&db).await;
    sqlx::raw_sql("SELECT pg_advisory_lock(1)")
        .execute(&mut holder)
        .await
        .unwrap();
    add(&db, &new_job()).await;
    let shutdown = Shutdown::new();
    let (source, _) = source(&db, a, Duration::from_millis(50));
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
            sqlx::raw_sql("SELECT pg_advisory_unlock(1)")
                .execute(&mut holder)
                .await
                .unwrap();
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
    let (source, _) = source(&db, a, Duration::from_millis(50));
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

/// What such a claim brought runs in nobody's hands; its deadline lies minutes ahead.
#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_given_back() {
    let db = db().await;
    let a = register(&db, "a").await;
    let tasks = Tasks::new(Shutdown::new());
    let (swallow, pool, _folder) = Swallow::start(&tasks, &db);
    let marked = NewJob {
        object: Some("to be swallowed".into()),
        ..new_job()
    };
    for _ in 0..3 {
        add(&db, &marked).await;
    }
    swallow.arm(b"to be swallowed");
    let source = JobSource::new(SourceOptions {
        pool,
        ..source_options(&db, a, Duration::from_millis(100))
    });
    let shutdown = Shutdown::new();
    let (sender, mut claimed) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |job: certmill_queue::ClaimedJob| {
        let sender = sender.clone();
        async move {
            sender.send((job.attempt, job.lost)).unwrap();
        }
    };
    tokio::join!(
        run_worker(run_options(4), source, handler, shutdown.clone()),
        async {
            for _ in 0..3 {
                let begun = tokio::time::timeout(Duration::from_secs(20), claimed.recv()).await;
                let (attempt, lost) = begun.expect("long before the deadline").unwrap();
                assert_eq!((attempt, lost), (1, 0), "nothing was attempted");
            }
            assert!(swallow.has_swallowed());
            shutdown.request();
        }
    );
    tasks.shutdown(Duration::ZERO).await;
}
