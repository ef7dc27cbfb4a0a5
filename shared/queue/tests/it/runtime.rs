//! The apalis adapter: concurrency, lanes, wake-ups, panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use certmill_domain::job::JobState;
use certmill_queue::apalis::{JobSource, RunOptions, SourceOptions, run_worker};
use certmill_queue::finish::complete;
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
