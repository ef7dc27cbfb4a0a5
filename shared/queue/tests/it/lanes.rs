//! Lanes and kinds: paused, limited over all processes, unknown to a build; and keys that end at the
//! start.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use certmill_queue::apalis::{JobSource, SourceOptions, run_worker};
use certmill_queue::finish::{Until, complete, snooze};
use certmill_queue::lane::{self, Closing, Pause};
use certmill_queue::release::release;
use certmill_queue::{
    Enqueued, LowWater, NewJob, ProcessId, checkpoint, claim, claim_limited, claim_suspect,
    enqueue, enqueue_all, probe_due,
};
use certmill_tasks::Shutdown;
use certmill_testkit::TestDb;
use serde_json::json;

use crate::rig::*;

async fn add_many(db: &TestDb, jobs: usize) {
    let jobs: Vec<NewJob> = (0..jobs).map(|_| new_job()).collect();
    enqueue_all(&mut conn(db).await, &jobs).await.unwrap();
}

async fn limited(db: &TestDb, process: ProcessId, limit: u16) -> (Vec<i64>, bool) {
    let answer = claim_limited(db.app(), &request(process, limit), &LowWater::default())
        .await
        .unwrap();
    let ids = answer.jobs.iter().map(|job| job.lease.job_id.0).collect();
    (ids, answer.full)
}

#[tokio::test]
async fn a_paused_lane_gives_nothing_until_it_goes_on() {
    let db = db().await;
    let a = register(&db, "a").await;
    add_many(&db, 2).await;
    let mut conn = conn(&db).await;
    let pause = Pause {
        reason: Some("the CA is in maintenance"),
    };
    assert!(lane::set_pause(&mut conn, LANE, Some(pause)).await.unwrap());
    assert!(!lane::set_pause(&mut conn, "no such", None).await.unwrap());
    assert!(claim(db.app(), &request(a, 5)).await.unwrap().is_empty());
    assert!(limited(&db, a, 5).await.0.is_empty());
    let (lanes, _) = lane::read_all(db.app()).await.unwrap();
    let lane = lanes.iter().find(|lane| lane.name == LANE).unwrap();
    assert!(lane.paused_at.is_some());
    assert_eq!(lane.pause_reason.as_deref(), pause.reason);
    lane::set_pause(&mut conn, LANE, None).await.unwrap();
    assert_eq!(claim(db.app(), &request(a, 5)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_closed_lane_opens_by_itself_and_a_reserved_one_lets_the_most_urgent_through() {
    let db = db().await;
    let a = register(&db, "a").await;
    let mut conn = conn(&db).await;
    lane::set_limit(&mut conn, LANE, Some(10)).await.unwrap();
    let calm = add(&db, &new_job()).await;
    let urgent = NewJob {
        priority: 0,
        ..new_job()
    };
    let urgent = add(&db, &urgent).await;
    let long = Duration::from_secs(3_600);
    lane::close(&mut conn, LANE, long, Closing::Calm)
        .await
        .unwrap();
    let claim = || async {
        let low = LowWater::default();
        let claimed = claim_limited(db.app(), &request(a, 5), &low).await.unwrap();
        let ids: Vec<_> = claimed.jobs.iter().map(|job| job.lease.job_id).collect();
        (ids, claimed.opens_in)
    };
    let (first, opens_in) = claim().await;
    assert_eq!(first, [urgent]);
    assert!(opens_in > Some(long / 2), "{opens_in:?}");

    // Closing for less than it is closed already changes nothing.
    let short = Duration::from_millis(300);
    lane::close(&mut conn, LANE, short, Closing::Calm)
        .await
        .unwrap();
    assert!(claim().await.0.is_empty());
    sqlx::query("UPDATE lane SET reserved_until = NULL WHERE name = $1")
        .bind(LANE)
        .execute(&mut conn)
        .await
        .unwrap();
    lane::close(&mut conn, LANE, short, Closing::All)
        .await
        .unwrap();
    let (none, opens_in) = claim().await;
    assert!(
        none.is_empty() && opens_in <= Some(short),
        "{none:?} {opens_in:?}"
    );
    tokio::time::sleep(short).await;
    assert_eq!(claim().await, (vec![calm], None));
}

#[tokio::test]
async fn what_was_begun_goes_on_while_its_lane_is_closed() {
    let db = db().await;
    let a = register(&db, "a").await;
    let mut conn = conn(&db).await;
    lane::set_limit(&mut conn, LANE, Some(2)).await.unwrap();
    let ids = [add(&db, &new_job()).await, add(&db, &new_job()).await];
    add(&db, &new_job()).await;
    let low = LowWater::default();
    let claim = async || claim_limited(db.app(), &request(a, 5), &low).await.unwrap();
    let asked = claim().await;
    for job in &asked.jobs {
        checkpoint::hold_begun(&mut conn, &job.lease).await.unwrap();
        let at_once = Until::After(Duration::ZERO);
        snooze(&mut conn, &job.lease, at_once, "issuer_pending", None)
            .await
            .unwrap();
    }
    let long = Duration::from_secs(3_600);
    lane::close(&mut conn, LANE, long, Closing::All)
        .await
        .unwrap();
    let due = probe_due(db.app(), &[LANE], None).await.unwrap();
    assert_eq!(due[0].begun_in, Some(Duration::ZERO), "{due:?}");

    let again = claim().await;

    let found: Vec<_> = again.jobs.iter().map(|job| job.lease.job_id).collect();
    assert_eq!(found, ids);
    assert!(again.full && again.opens_in > Some(long / 2), "{again:?}");
    assert!(
        claim().await.jobs.is_empty(),
        "the limit holds for them too"
    );
}

#[tokio::test]
async fn a_paused_kind_and_one_that_the_build_does_not_know_are_left_alone() {
    let db = db().await;
    let a = register_steady(&db, "a").await;
    let of = |kind: &str| NewJob {
        kind: kind.into(),
        ..new_job()
    };
    let paused = add(&db, &of("paused")).await;
    let future = add(&db, &of("future")).await;
    let known = ["paused".to_owned(), "test".to_owned()];
    let request = certmill_queue::ClaimRequest {
        kinds: Some(&known),
        ..request(a, 5)
    };
    let mut conn = conn(&db).await;
    lane::pause_kind(&mut conn, "paused", Pause::default())
        .await
        .unwrap();
    assert!(claim(db.app(), &request).await.unwrap().is_empty());
    // Who looks must not be sent to claim what the claim leaves alone.
    let due = probe_due(db.app(), &[LANE], Some(&known)).await.unwrap();
    assert!(!due[0].ready && due[0].next_in.is_none(), "{due:?}");
    sqlx::query("UPDATE job SET lost = 2 WHERE id = $1")
        .bind(future.0)
        .execute(&mut conn)
        .await
        .unwrap();
    assert!(claim_suspect(db.app(), &request).await.unwrap().is_none());
    let due = probe_due(db.app(), &[LANE], Some(&known)).await.unwrap();
    assert!(!due[0].suspect);

    assert!(lane::resume_kind(&mut conn, "paused").await.unwrap());
    assert!(!lane::resume_kind(&mut conn, "paused").await.unwrap());
    let claimed = claim(db.app(), &request).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].lease.job_id, paused);
}

#[tokio::test]
async fn a_limit_holds_over_all_claimers_at_once() {
    const LIMIT: i32 = 7;
    let db = db().await;
    add_many(&db, 200).await;
    lane::set_limit(&mut conn(&db).await, LANE, Some(LIMIT))
        .await
        .unwrap();
    let a = register(&db, "a").await;
    assert!(
        claim(db.app(), &request(a, 5)).await.unwrap().is_empty(),
        "a claim that does not know of the limit gets nothing"
    );
    let mut claimers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let process = register(&db, &format!("p{n}")).await;
        let pool = db.app().clone();
        claimers.spawn(async move {
            let mut had = Vec::new();
            for _ in 0..25 {
                let request = request(process, 5);
                let answer = claim_limited(&pool, &request, &LowWater::default())
                    .await
                    .unwrap();
                let running: i64 = sqlx::query_scalar("SELECT count(*) FROM job WHERE state = 1")
                    .fetch_one(&pool)
                    .await
                    .unwrap();
                assert!(running <= i64::from(LIMIT), "{running} run");
                for job in &answer.jobs {
                    let mut conn = pool.acquire().await.unwrap();
                    complete(&mut conn, &[(job.lease, &json!(null))])
                        .await
                        .unwrap();
                    had.push(job.lease.job_id.0);
                }
            }
            had
        });
    }
    let all: Vec<i64> = claimers.join_all().await.into_iter().flatten().collect();
    let distinct: HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert!(all.len() > 50, "they got on with it: {}", all.len());
}

#[tokio::test]
async fn a_full_lane_says_so_and_has_room_again_after_an_end() {
    let db = db().await;
    let a = register(&db, "a").await;
    add_many(&db, 3).await;
    let mut conn = conn(&db).await;
    lane::set_limit(&mut conn, LANE, Some(2)).await.unwrap();
    let (first, full) = limited(&db, a, 9).await;
    assert_eq!((first.len(), full), (2, true));
    assert_eq!(limited(&db, a, 9).await, (Vec::new(), true));
    certmill_queue::control::cancel(&mut conn, certmill_queue::JobId(first[0]), "key_x")
        .await
        .unwrap();
    assert_eq!(
        limited(&db, a, 9).await,
        (Vec::new(), true),
        "a cancelled one still runs"
    );
    lane::set_limit(&mut conn, LANE, None).await.unwrap();
    let (rest, full) = limited(&db, a, 9).await;
    assert_eq!((rest.len(), full), (1, false));
    let refused = lane::set_limit(&mut conn, LANE, Some(0)).await;
    assert!(refused.is_err(), "no job could ever run");
}

#[tokio::test]
async fn a_key_until_the_start_is_free_while_the_job_runs() {
    let db = db().await;
    let a = register(&db, "a").await;
    let until_start = NewJob {
        unique_until_start: true,
        ..keyed("k")
    };
    let first = add(&db, &until_start).await;
    let mut conn = conn(&db).await;
    let twin = enqueue(&mut conn, &until_start).await.unwrap();
    assert_eq!(twin, Enqueued::Present(first));
    let claimed = claim_one(&db, a).await;
    assert_eq!(claimed.lease.job_id, first);
    let next = enqueue(&mut conn, &until_start).await.unwrap();
    assert!(next.is_new(), "what is asked for now is done afterwards");
    let done = add(&db, &keyed("done")).await;
    let _both = claim(db.app(), &request(a, 5)).await.unwrap();
    let twin = enqueue(&mut conn, &keyed("done")).await.unwrap();
    assert_eq!(twin, Enqueued::Present(done), "the other kind of key holds");
}

#[tokio::test]
async fn what_is_given_back_unbegun_waits_again_with_its_attempt() {
    let db = db().await;
    let a = register(&db, "a").await;
    add_many(&db, 2).await;
    let claimed = claim(db.app(), &request(a, 5)).await.unwrap();
    let leases: Vec<_> = claimed.iter().map(|job| job.lease).collect();
    assert_eq!(release(db.app(), &leases).await.unwrap(), 2);
    assert_eq!(release(db.app(), &leases).await.unwrap(), 0, "fenced");
    let again = claim(db.app(), &request(a, 5)).await.unwrap();
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|job| job.attempt == 1 && job.lost == 0));
}

fn source(db: &TestDb, process_id: ProcessId, until_empty: bool) -> JobSource {
    JobSource::new(SourceOptions {
        until_empty,
        ..source_options(db, process_id, Duration::from_secs(60))
    })
}

/// With a poll of a minute, only the end of a job can be what lets the next one begin.
#[tokio::test]
async fn a_worker_of_a_limited_lane_goes_on_when_a_job_ends() {
    let db = db().await;
    let a = register(&db, "a").await;
    add_many(&db, 40).await;
    lane::set_limit(&mut conn(&db).await, LANE, Some(2))
        .await
        .unwrap();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (pool, seen) = (db.app().clone(), (running.clone(), most.clone()));
    let handler = move |job: certmill_queue::ClaimedJob| {
        let (pool, (running, most)) = (pool.clone(), seen.clone());
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            let mut conn = pool.acquire().await.unwrap();
            complete(&mut conn, &[(job.lease, &json!(null))])
                .await
                .unwrap();
        }
    };
    let work = run_worker(
        run_options(8),
        source(&db, a, true),
        handler,
        Shutdown::new(),
    );
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("forty jobs, two at a time, and the end of the work ends the worker");
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM job")
        .fetch_one(db.app())
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_worker_that_ends_with_the_work_does_what_its_jobs_enqueue_first() {
    let db = db().await;
    let a = register(&db, "a").await;
    let ran = Arc::new(AtomicUsize::new(0));
    let (pool, count) = (db.app().clone(), ran.clone());
    let handler = move |job: certmill_queue::ClaimedJob| {
        let (pool, count) = (pool.clone(), count.clone());
        async move {
            let mut conn = pool.acquire().await.unwrap();
            if count.fetch_add(1, Ordering::SeqCst) < 3 {
                tokio::time::sleep(Duration::from_millis(400)).await;
                enqueue(&mut conn, &new_job()).await.unwrap();
            }
            complete(&mut conn, &[(job.lease, &json!(null))])
                .await
                .unwrap();
        }
    };
    add_many(&db, 1).await;
    let later = NewJob {
        start: certmill_queue::Start::After(Duration::from_secs(600)),
        ..new_job()
    };
    add(&db, &later).await;
    let work = run_worker(
        run_options(2),
        source(&db, a, true),
        handler,
        Shutdown::new(),
    );
    tokio::time::timeout(PATIENCE, work).await.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 4, "the scheduled one is left");
}

/// Slow jobs hold all slots: what was claimed beside them goes to somebody else.
#[tokio::test]
async fn slow_jobs_keep_nothing_behind_them() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register(&db, "b").await);
    add_many(&db, 2).await;
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    let handler = move |_job| {
        let asked = asked.clone();
        async move { asked.requested().await }
    };
    tokio::join!(
        run_worker(
            run_options(2),
            source(&db, a, false),
            handler,
            shutdown.clone()
        ),
        async {
            let running = || async {
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM job WHERE state = 1")
                    .fetch_one(db.app())
                    .await
                    .unwrap()
            };
            until(|| async { running().await == 2 }).await;
            add_many(&db, 3).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(running().await, 2, "no slot is free");
            assert_eq!(claim(db.app(), &request(b, 5)).await.unwrap().len(), 3);
            shutdown.request();
        }
    );
}
