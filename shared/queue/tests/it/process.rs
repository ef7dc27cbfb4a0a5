//! Beats keep a process alive, and it hears of its death in time.

use std::time::{Duration, Instant};

use certmill_queue::process::{self, NewProcess, processes};
use certmill_queue::rescue::mark_dead;
use certmill_queue::{Beat, BeatOptions, Error, Standing, claim, register as join};
use certmill_tasks::{Shutdown, Tasks};
use certmill_testkit::TestDb;

use crate::rig::*;

fn options(db: &TestDb, lease_ms: u64) -> BeatOptions {
    BeatOptions {
        pool: db.app().clone(),
        every: Duration::from_millis(lease_ms / 5),
        process: NewProcess {
            role: "worker".into(),
            label: "beating".into(),
            version: "0".into(),
            queues: vec![],
            kinds: Vec::new(),
            capacity: None,
            limits: None,
            lease: Duration::from_millis(lease_ms),
        },
    }
}

async fn until_lost(beat: &Beat) {
    let mut standing = beat.standing();
    let lost = standing.wait_for(|standing| *standing != Standing::Held);
    let standing = tokio::time::timeout(PATIENCE, lost).await.unwrap().unwrap();
    assert_eq!(*standing, Standing::Lost);
}

#[tokio::test]
async fn beats_keep_a_process_alive_until_it_resigns() {
    let db = db().await;
    let tasks = Tasks::new(Shutdown::new());
    let beat = Beat::start(&tasks, options(&db, 1000)).await.unwrap();
    let me = register_steady(&db, "me").await;
    let began = Instant::now();
    until(|| async { began.elapsed() > Duration::from_millis(1500) }).await;
    assert!(
        mark_dead(&mut conn(&db).await, me)
            .await
            .unwrap()
            .is_empty()
    );
    add(&db, &new_job()).await;
    claim_one(&db, beat.process_id()).await;
    let standing = beat.standing();
    let id = beat.process_id();
    assert_eq!(beat.resign().await, 1);
    assert_eq!(*standing.borrow(), Standing::Resigned);
    let rows = processes(&mut conn(&db).await).await.unwrap();
    let row = rows.iter().find(|row| row.id == id).unwrap();
    assert!(!row.alive && row.stopped_at.is_some());
    // Both clocks are this machine's.
    let skew_ms = row.skew_ms.expect("a beat tells the clock");
    assert!(skew_ms.abs() < 1_000, "{skew_ms}");
}

#[tokio::test]
async fn a_process_that_was_declared_dead_hears_of_it() {
    let db = db().await;
    let tasks = Tasks::new(Shutdown::new());
    let beat = Beat::start(&tasks, options(&db, 2000)).await.unwrap();
    sqlx::query("UPDATE process SET dead_at = now()")
        .execute(db.app())
        .await
        .unwrap();
    until_lost(&beat).await;
    let rows = processes(&mut conn(&db).await).await.unwrap();
    assert!(
        rows[0].dead_at.is_some() && rows[0].stopped_at.is_none(),
        "it did not stop, it was declared dead"
    );
    let again = Beat::start(&tasks, options(&db, 2000)).await.unwrap();
    assert!(again.process_id() > beat.process_id());
    add(&db, &new_job()).await;
    assert_eq!(
        claim(db.app(), &request(again.process_id(), 1))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_beat_that_is_not_answered_within_the_lease_means_lost() {
    let db = db().await;
    let tasks = Tasks::new(Shutdown::new());
    let beat = Beat::start(&tasks, options(&db, 800)).await.unwrap();
    // Somebody holds the row: the beat waits, and the lease runs out by our own clock.
    let mut session = db.session().await;
    let mut tx = sqlx::Connection::begin(&mut session).await.unwrap();
    sqlx::query("SELECT 1 FROM process FOR UPDATE")
        .execute(&mut *tx)
        .await
        .unwrap();
    let began = Instant::now();
    until_lost(&beat).await;
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_process_that_the_schema_takes_no_longer_is_lost_and_cannot_come_back() {
    let db = db().await;
    let tasks = Tasks::new(Shutdown::new());
    let beat = Beat::start(&tasks, options(&db, 2000)).await.unwrap();
    let known = certmill_pg::newest_migration();
    let told: Option<i64> = sqlx::query_scalar("SELECT schema_known FROM process WHERE id = $1")
        .bind(beat.process_id().0)
        .fetch_one(db.app())
        .await
        .unwrap();
    assert_eq!(told, Some(known));
    let plant = "INSERT INTO schema_acceptance (version, builds_from) VALUES ($1, $2)";
    for (version, builds_from) in [(known + 1, known), (known + 2, known + 1)] {
        assert_eq!(*beat.standing().borrow(), Standing::Held);
        sqlx::query(plant)
            .bind(version)
            .bind(builds_from)
            .execute(db.owner())
            .await
            .unwrap();
        if builds_from == known {
            // A later migration that takes it: others join, and its beats go on.
            Beat::start(&tasks, options(&db, 2000)).await.unwrap();
        }
    }
    until_lost(&beat).await;
    let refused = Beat::start(&tasks, options(&db, 2000)).await.unwrap_err();
    assert!(matches!(refused, Error::NotAccepted { .. }), "{refused}");
    assert!(refused.to_string().contains("nothing is worked on"));
}

/// An api that keeps its limits there; none for one of an older build.
fn api(db: &TestDb, label: &str, limits: Option<&str>, lease_ms: u64) -> BeatOptions {
    let mut options = options(db, lease_ms);
    options.process.role = "api".into();
    options.process.label = label.into();
    options.process.limits = limits.map(str::to_owned);
    options
}

#[tokio::test]
async fn limits_in_memory_are_those_of_the_only_api() {
    let db = db().await;
    let (tasks, shutdown) = (Tasks::new(Shutdown::new()), Shutdown::new());
    let enter = async |options: BeatOptions| join(&tasks, &options, &shutdown).await;
    let (memory, postgres) = (Some("memory"), Some("postgres"));
    for (first, second, fit) in [
        (postgres, postgres, true),
        (postgres, memory, false),
        (memory, postgres, false),
        (memory, memory, false),
        (None, memory, false),
        (None, postgres, true),
    ] {
        let held = enter(api(&db, "first", first, 1000))
            .await
            .unwrap()
            .unwrap();
        match enter(api(&db, "second", second, 1000)).await {
            Ok(beat) => {
                assert!(fit, "{first:?} {second:?}");
                beat.unwrap().resign().await;
            }
            Err(error) => {
                assert!(!fit && matches!(error, Error::Limits { .. }), "{error}");
                assert!(error.to_string().contains("the api first"), "{error}");
            }
        }
        held.resign().await;
    }
    let worker = Beat::start(&tasks, options(&db, 1000)).await.unwrap();
    enter(api(&db, "alone", memory, 1000))
        .await
        .unwrap()
        .unwrap();
    worker.resign().await;
}

#[tokio::test]
async fn an_api_that_was_killed_is_waited_for_until_its_lease_is_over() {
    let db = db().await;
    let (tasks, shutdown) = (Tasks::new(Shutdown::new()), Shutdown::new());
    let killed = api(&db, "killed", Some("memory"), 1500).process;
    process::register(&mut conn(&db).await, &killed)
        .await
        .unwrap();
    let began = Instant::now();
    let next = api(&db, "next", Some("memory"), 1500);
    assert!(join(&tasks, &next, &shutdown).await.unwrap().is_some());
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(1) && waited < PATIENCE,
        "{waited:?}"
    );
}

#[tokio::test]
async fn of_two_apis_that_start_at_once_one_gets_in() {
    let db = db().await;
    let one = api(&db, "one", Some("memory"), 30_000).process;
    let other = api(&db, "other", Some("postgres"), 30_000).process;
    for _ in 0..10 {
        let (mut first, mut second) = (db.session().await, db.session().await);
        let entered = tokio::join!(
            process::register(&mut first, &one),
            process::register(&mut second, &other)
        );
        let entered = [entered.0, entered.1];
        let ids: Vec<_> = entered.iter().flatten().collect();
        assert_eq!(ids.len(), 1, "{entered:?}");
        process::resign(&mut conn(&db).await, *ids[0])
            .await
            .unwrap();
    }
}
