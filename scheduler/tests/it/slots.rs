//! Slots of the renewal sweep: each becomes a job or an explicit skip, and the job finds the work.

use std::time::Duration;

use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::schedule::{LANE, RENEWAL_SWEEP};
use certmill_queue::process::{self, NewProcess};
use certmill_queue::{ClaimRequest, ClaimedJob, Hinter, claim, finish};
use certmill_service::certificates::{self, Ask};
use certmill_service::sweep::{self, Step};
use certmill_service::{Caller, Context, Policy};
use certmill_testkit::TestDb;
use serde_json::Value;

use crate::rig::*;

/// A certificate whose first job was lost, due for the sweep.
async fn add_due(db: &TestDb) {
    let context = Context {
        pool: db.app().clone(),
        hinter: Hinter::none(),
        app_keys: None,
        policy: Policy {
            process_lease: time::Duration::seconds(2),
            acknowledge_sealed_keys: false,
        },
    };
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let csr = csr::create(&key, &Names::parse(["a.example.com"]).unwrap()).unwrap();
    let ask = Ask {
        name: "a.example.com".into(),
        sans: Vec::new(),
        profile: None,
        csr_pem: Some(csr::to_pem(&csr)),
        auto_renew: true,
    };
    let pointer = |n: usize| format!("/{n}");
    certificates::request(&context, &Caller::system("test"), vec![ask], pointer, None)
        .await
        .unwrap();
    sqlx::raw_sql("DELETE FROM job; UPDATE certificate SET sweep_at = now()")
        .execute(db.app())
        .await
        .unwrap();
}

async fn claim_sweep(db: &TestDb) -> ClaimedJob {
    let new = NewProcess {
        role: "worker".into(),
        label: "test".into(),
        version: "0".into(),
        queues: Vec::new(),
        kinds: Vec::new(),
        capacity: None,
        limits: None,
        lease: Duration::from_secs(30),
    };
    let mut conn = db.app().acquire().await.unwrap();
    let process_id = process::register(&mut conn, &new).await.unwrap();
    let request = ClaimRequest {
        queue: LANE,
        process_id,
        limit: 1,
        deadline: Duration::from_secs(60),
        kinds: None,
        token: None,
    };
    claim(db.app(), &request).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slots_sweep_enqueues_what_is_due() {
    let db = seeded().await;
    add_due(&db).await;
    let scheduler = Scheduler::start(&db, "a").await;

    until(|| async { count(&db, "job").await == 1 }).await;
    let job = claim_sweep(&db).await;
    let step = sweep::step(db.app(), &job.lease, &Hinter::none())
        .await
        .unwrap();

    assert_eq!((job.kind.as_str(), job.priority), (RENEWAL_SWEEP, 0));
    assert_eq!(
        step,
        Step {
            taken: 1,
            enqueued: 1
        }
    );
    scheduler.stop().await;
    let ticked = format!(
        "schedule_tick WHERE schedule = 'renewal' AND job_id = {}",
        job.lease.job_id.0
    );
    assert_eq!(count(&db, &ticked).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_is_still_at_it_makes_the_next_slots_skips() {
    let db = seeded().await;
    let scheduler = Scheduler::start(&db, "a").await;
    until(|| async { count(&db, "job").await == 1 }).await;
    let job = claim_sweep(&db).await;

    until(|| async { count(&db, "schedule_tick WHERE skipped").await >= 2 }).await;
    assert_eq!(count(&db, "job").await, 1, "no second sweep beside it");
    let mut conn = db.app().acquire().await.unwrap();
    finish::complete(&mut conn, &[(job.lease, &Value::Null)])
        .await
        .unwrap();

    until(|| async { count(&db, "schedule_tick WHERE NOT skipped").await == 2 }).await;
    scheduler.stop().await;
    let gaps: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT slot - lag(slot) OVER (ORDER BY slot) AS gap FROM schedule_tick \
         WHERE schedule = 'renewal') s WHERE gap <> interval '1 s'",
    )
    .fetch_one(db.app())
    .await
    .unwrap();
    assert_eq!(gaps, 0, "each slot has its row");
}
