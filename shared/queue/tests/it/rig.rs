//! What the tests of the queue share: a database with a lane and short ways to say things.

pub use certmill_testkit::{PATIENCE, backend_pid as pid, until, until_blocked};
use std::time::Duration;

use certmill_queue::apalis::{RunOptions, SourceOptions};
use certmill_queue::process::{self, NewProcess};
use certmill_queue::{
    AtWork, ClaimRequest, ClaimedJob, Enqueued, JobId, Lane, NewJob, ProcessId, TeamId, Wake,
    claim, enqueue, lane,
};
use certmill_testkit::TestDb;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};

pub const LANE: &str = "work";
pub const DEADLINE: Duration = Duration::from_secs(60);

pub async fn db() -> TestDb {
    let db = TestDb::new().await;
    let mut conn = db.app().acquire().await.unwrap();
    lane::declare(
        &mut conn,
        &Lane {
            name: LANE.into(),
            needs_key: false,
        },
    )
    .await
    .unwrap();
    db
}

/// A connection that takes part in no pool, so that a test can keep many.
pub async fn conn(db: &TestDb) -> PgConnection {
    connect_options(db).connect().await.unwrap()
}

pub fn connect_options(db: &TestDb) -> PgConnectOptions {
    (*db.app().connect_options()).clone()
}

pub fn new_job() -> NewJob {
    NewJob::new(TeamId(1), LANE, "test", json!({}))
}

pub fn keyed(key: &str) -> NewJob {
    NewJob {
        unique_key: Some(key.as_bytes().to_vec()),
        ..new_job()
    }
}

pub async fn add(db: &TestDb, job: &NewJob) -> JobId {
    match enqueue(&mut conn(db).await, job).await.unwrap() {
        Enqueued::New(id) => id,
        Enqueued::Present(id) => panic!("{id} is present"),
    }
}

pub async fn register(db: &TestDb, label: &str) -> ProcessId {
    let process = NewProcess {
        role: "worker".into(),
        label: label.into(),
        version: "0".into(),
        queues: vec![LANE.into()],
        kinds: Vec::new(),
        capacity: None,
        limits: None,
        lease: Duration::from_secs(30),
    };
    process::register(&mut conn(db).await, &process)
        .await
        .unwrap()
}

/// A process that may declare others dead.
pub async fn register_steady(db: &TestDb, label: &str) -> ProcessId {
    let id = register(db, label).await;
    sqlx::query("UPDATE process SET steady_since = now() - interval '1 hour' WHERE id = $1")
        .bind(id.0)
        .execute(db.app())
        .await
        .unwrap();
    id
}

/// As if its last beat were long ago.
pub async fn silence(db: &TestDb, id: ProcessId) {
    sqlx::query("UPDATE process SET expires_at = now() - interval '1 s' WHERE id = $1")
        .bind(id.0)
        .execute(db.app())
        .await
        .unwrap();
}

pub fn request(process_id: ProcessId, limit: u16) -> ClaimRequest<'static> {
    ClaimRequest {
        queue: LANE,
        process_id,
        limit,
        deadline: DEADLINE,
        kinds: None,
        token: None,
    }
}

pub fn source_options(db: &TestDb, process_id: ProcessId, poll: Duration) -> SourceOptions {
    SourceOptions {
        pool: db.app().clone(),
        process_id,
        patterns: vec!["w*".into()],
        holds_key: false,
        kinds: None,
        deadline: DEADLINE,
        wake: Wake::polling_only(),
        poll,
        at_work: AtWork::default(),
        until_empty: false,
    }
}

pub fn run_options(concurrency: usize) -> RunOptions {
    RunOptions {
        name: "test".into(),
        concurrency,
        timeout: Duration::from_secs(30),
        grace: Duration::from_secs(10),
    }
}

pub async fn claim_one(db: &TestDb, process_id: ProcessId) -> ClaimedJob {
    let mut jobs = claim(db.app(), &request(process_id, 1)).await.unwrap();
    assert_eq!(jobs.len(), 1, "one job is due");
    jobs.remove(0)
}

/// How many live jobs there are.
pub async fn live(db: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM job")
        .fetch_one(db.app())
        .await
        .unwrap()
}

/// Makes every waiting job due, so that a test need not wait for a backoff.
pub async fn make_due(db: &TestDb) {
    sqlx::query("UPDATE job SET run_at = now() - interval '1 s' WHERE state = 0")
        .execute(db.app())
        .await
        .unwrap();
}
