//! The finisher: one transaction a batch, and effects only for accepted jobs.

use std::time::{Duration, Instant};

use certmill_domain::job::JobState;
use certmill_pg::{Pool, Tx};
use certmill_queue::finish::was_completed;
use certmill_queue::rescue::rescue;
use certmill_queue::{
    BoxError, ClaimedJob, Effects, Finished, Finisher, FinisherOptions, Verdict, claim, read,
};
use certmill_tasks::{Shutdown, Tasks};
use certmill_testkit::TestDb;
use futures::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use crate::rig::*;
use crate::swallow::Swallow;

/// Writes one row for each effect, without any uniqueness of its own.
struct Ledger;

impl Effects for Ledger {
    async fn apply(&self, tx: &mut Tx, accepted: &[&Finished]) -> Result<(), BoxError> {
        for finished in accepted {
            if finished.effect["poison"] == true {
                sqlx::query("SELECT 1 / 0").execute(&mut **tx).await?;
            }
            if finished.effect["cut"] == true {
                sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())")
                    .execute(&mut **tx)
                    .await?;
            }
            sqlx::query("INSERT INTO ledger (job_id) VALUES ($1)")
                .bind(finished.lease.job_id.0)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}

async fn with_ledger() -> TestDb {
    let db = db().await;
    sqlx::raw_sql("CREATE TABLE ledger (job_id bigint); GRANT ALL ON ledger TO PUBLIC")
        .execute(db.owner())
        .await
        .unwrap();
    db
}

async fn ledger(db: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM ledger")
        .fetch_one(db.app())
        .await
        .unwrap()
}

fn start(db: &TestDb, options: FinisherOptions) -> Finisher {
    Finisher::start(
        &Tasks::new(Shutdown::new()),
        db.app().clone(),
        Ledger,
        options,
    )
}

fn finished(job: &ClaimedJob, effect: serde_json::Value) -> Finished {
    Finished {
        lease: job.lease,
        kind: job.kind.clone(),
        team_id: job.team_id,
        attempt: job.attempt,
        effect,
        result: json!({ "done": true }),
    }
}

#[tokio::test]
async fn a_batch_is_one_transaction_and_a_poison_effect_harms_only_itself() {
    let db = with_ledger().await;
    let a = register(&db, "a").await;
    for _ in 0..20 {
        add(&db, &new_job()).await;
    }
    let jobs = claim(db.app(), &request(a, 20)).await.unwrap();
    let finisher = start(&db, FinisherOptions::default());
    let first = join_all(
        jobs[..10]
            .iter()
            .map(|j| finisher.finish(finished(j, json!({})))),
    )
    .await;
    assert!(first.iter().all(|verdict| *verdict == Verdict::Accepted));
    let commits: i64 = sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM ledger")
        .fetch_one(db.app())
        .await
        .unwrap();
    assert!(commits <= 3, "{commits} transactions for 10 jobs");

    let poison = |n: usize| {
        if n == 4 {
            json!({ "poison": true })
        } else {
            json!({})
        }
    };
    let second = join_all(
        jobs[10..]
            .iter()
            .enumerate()
            .map(|(n, j)| finisher.finish(finished(j, poison(n)))),
    )
    .await;
    for (n, verdict) in second.iter().enumerate() {
        assert_eq!(
            matches!(verdict, Verdict::Failed(_)),
            n == 4,
            "{n}: {verdict:?}"
        );
    }
    assert_eq!(ledger(&db).await, 19);
    let row = read::by_id(&mut conn(&db).await, jobs[14].lease.job_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.state, row.attempt), (JobState::Retryable, 1));
    assert_eq!(row.error.unwrap()["code"], "effect_failed");
}

#[tokio::test]
async fn a_lost_lease_writes_nothing_unless_the_fence_is_off() {
    let db = with_ledger().await;
    let a = register_steady(&db, "a").await;
    add(&db, &new_job()).await;
    add(&db, &new_job()).await;
    let zombies = claim(db.app(), &request(a, 2)).await.unwrap();
    sqlx::query("UPDATE job SET deadline_at = now() - interval '1 s'")
        .execute(db.app())
        .await
        .unwrap();
    rescue(&mut conn(&db).await, a, 10).await.unwrap();
    let heirs = claim(db.app(), &request(a, 2)).await.unwrap();
    let fenced = start(&db, FinisherOptions::default());
    assert_eq!(
        fenced.finish(finished(&zombies[0], json!({}))).await,
        Verdict::LeaseLost
    );
    assert_eq!(
        fenced.finish(finished(&heirs[0], json!({}))).await,
        Verdict::Accepted
    );
    assert_eq!(ledger(&db).await, 1);
    let unfenced = start(
        &db,
        FinisherOptions {
            unfenced: true,
            ..Default::default()
        },
    );
    assert_eq!(
        unfenced.finish(finished(&zombies[1], json!({}))).await,
        Verdict::Accepted
    );
    assert_eq!(
        unfenced.finish(finished(&heirs[1], json!({}))).await,
        Verdict::Accepted
    );
    assert_eq!(
        ledger(&db).await,
        3,
        "the control shows what the fence prevents"
    );
}

#[tokio::test]
async fn an_outage_is_waited_out_up_to_the_patience() {
    let db = with_ledger().await;
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    let options = FinisherOptions {
        patience: Duration::from_millis(600),
        ..Default::default()
    };
    let finisher = start(&db, options);
    let verdict = finisher
        .finish(finished(&job, json!({ "cut": true })))
        .await;
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
    assert_eq!(ledger(&db).await, 0);
    until_it_waits(&db, &job).await;
    assert_eq!(
        finisher.finish(finished(&job, json!({}))).await,
        Verdict::LeaseLost,
        "its attempt was failed"
    );
}

/// A worker that lives on must not keep what it could not end: a full disk lets nothing be written
/// for a while, not even that an attempt has failed.
#[tokio::test]
async fn a_job_whose_end_cannot_be_written_is_failed_when_it_can() {
    let db = with_ledger().await;
    sqlx::raw_sql(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON job_attempt EXECUTE FUNCTION full_disk()",
    )
    .execute(db.owner())
    .await
    .unwrap();
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    let finisher = start(&db, FinisherOptions::default());
    let verdict = finisher
        .finish(finished(&job, json!({ "poison": true })))
        .await;
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(state(&db, &job).await, JobState::Running, "it cannot be");
    sqlx::raw_sql("DROP TRIGGER full_disk ON job_attempt")
        .execute(db.owner())
        .await
        .unwrap();
    until_it_waits(&db, &job).await;
}

async fn state(db: &TestDb, job: &ClaimedJob) -> JobState {
    let row = read::by_id(&mut conn(db).await, job.lease.job_id).await;
    row.unwrap().unwrap().state
}

async fn until_it_waits(db: &TestDb, job: &ClaimedJob) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while state(db, job).await == JobState::Running {
        assert!(Instant::now() < give_up, "nobody failed its attempt");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(state(db, job).await, JobState::Retryable);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_in_the_history() {
    let db = with_ledger().await;
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    let result = json!({});
    let ended = [(job.lease, &result)];
    certmill_queue::finish::complete(&mut conn(&db).await, &ended)
        .await
        .unwrap();
    let mut conn = conn(&db).await;
    let ours = was_completed(&mut conn, &[job.lease]).await.unwrap();
    assert_eq!(ours, [job.lease.job_id]);
    let mut other = job.lease;
    other.token ^= 1;
    let others = was_completed(&mut conn, &[other]).await.unwrap();
    assert!(others.is_empty(), "somebody else's completion is not ours");
}

#[tokio::test]
async fn a_swallowed_commit_is_accepted_and_its_effect_written_once() {
    accepted_once(Swallow::start).await;
}

#[tokio::test]
async fn a_commit_that_a_pooler_answers_with_its_own_error_is_looked_up() {
    accepted_once(Swallow::start_as_pooler).await;
}

/// Jobs whose commit is carried out and not answered are accepted, their effects written once.
async fn accepted_once(way: fn(&Tasks, &TestDb) -> (Swallow, Pool, TempDir)) {
    let db = with_ledger().await;
    let a = register(&db, "a").await;
    for _ in 0..5 {
        add(&db, &new_job()).await;
    }
    let jobs = claim(db.app(), &request(a, 5)).await.unwrap();
    let tasks = Tasks::new(Shutdown::new());
    let (swallow, pool, _folder) = way(&tasks, &db);
    let finisher = Finisher::start(&tasks, pool, Ledger, FinisherOptions::default());
    swallow.arm(b"COMMIT\0");
    let verdicts = join_all(jobs.iter().map(|j| finisher.finish(finished(j, json!({}))))).await;
    assert!(swallow.has_swallowed(), "{verdicts:?}");
    assert!(
        verdicts.iter().all(|verdict| *verdict == Verdict::Accepted),
        "{verdicts:?}"
    );
    assert_eq!(ledger(&db).await, 5);
}
