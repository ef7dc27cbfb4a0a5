//! Kinds: sweeps enqueue, poison ends alone, what is unknown is left alone.

use certmill_domain::job::JobState;
use certmill_domain::schedule::{LANE, PARTITION_CARE, RENEWAL_SWEEP};
use certmill_queue::{NewJob, TeamId};
use certmill_service::bootstrap::LOCAL_LANE;
use certmill_service::effects::chore;
use certmill_service::{Caller, jobs};
use certmill_worker::Retention;
use serde_json::json;

use crate::rig::*;

fn job(lane: &str, kind: &str, args: serde_json::Value) -> NewJob {
    NewJob::new(TeamId(1), lane, kind, args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_kind_is_left_alone_and_says_so() {
    let rig = rig().await;
    let worker = rig.worker("a", true).await;

    let strange = rig
        .add_jobs(&[job(LANE, "from_the_future", json!({}))])
        .await[0];
    let known = rig.add_jobs(&[job(LANE, PARTITION_CARE, json!({}))]).await[0];
    rig.until_job(known, |row| row.state == JobState::Completed)
        .await;
    let row = rig.until_job(strange, |_| true).await;
    let caller = Caller::system("test");
    let (_, past) = jobs::with_past(&rig.context, &caller, strange)
        .await
        .unwrap();
    worker.stop().await;

    assert_eq!((row.state, row.attempt), (JobState::Available, 0));
    assert_eq!(past.held_back.unwrap().code, "unknown_kind");
    let (_, past) = jobs::with_past(&rig.context, &caller, strange)
        .await
        .unwrap();
    assert_eq!(past.held_back.unwrap().code, "no_worker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_arguments_end_alone() {
    let rig = rig().await;
    let nothing = json!({ "certificate_id": "cert_00000000000000000000000000", "generation": 1 });
    let poison = [
        job(LOCAL_LANE, "issue", json!({ "odd": 1 })),
        job(LOCAL_LANE, "issue", json!("text")),
        job(LOCAL_LANE, "issue", nothing),
    ];
    let names: Vec<String> = (0..5).map(|n| format!("n{n}.example.com")).collect();
    let ends = rig.add_jobs(&poison).await;
    rig.request_all(&names).await;
    let worker = rig.worker("a", true).await;

    until(|| async { rig.count("certificate WHERE status = 'issued'").await == 5 }).await;
    for id in ends {
        let row = rig.until_job(id, |row| row.state.is_final()).await;
        assert_eq!((row.state, row.attempt), (JobState::Discarded, 1));
        assert!(row.error.unwrap()["detail"].is_string());
    }
    worker.stop().await;
    assert_eq!(
        rig.count("job_history WHERE outcome = 2 AND attempt = 1")
            .await,
        5,
        "neighbours"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_csr_that_the_profile_no_longer_admits_is_refused_before_signing() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    rig.run("UPDATE profile SET allowed_names = '{other.example.com}'")
        .await;
    let worker = rig.worker("a", true).await;

    until(|| async { rig.show(id).await.certificate.fault.is_some() }).await;
    worker.stop().await;

    let seen = rig.show(id).await;
    assert_eq!(seen.certificate.fault.unwrap().0, "name_not_allowed");
    assert_eq!(
        seen.waiting_on.unwrap().code,
        certmill_domain::waiting::REFUSED
    );
    assert_eq!(rig.count("version").await, 0);
    assert_eq!(rig.count("cert_order WHERE state = 'failed'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_renews_what_is_due() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;
    rig.run("UPDATE certificate SET renew_at = now(), sweep_at = now()")
        .await;

    let sweep = rig.add_jobs(&[job(LANE, RENEWAL_SWEEP, json!({}))]).await[0];
    rig.until_issued(id, 2).await;

    let row = rig.until_job(sweep, |row| row.state.is_final()).await;
    worker.stop().await;
    assert_eq!(row.result.unwrap(), json!({ "taken": 1, "enqueued": 1 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chore_is_done_until_a_step_finds_nothing() {
    let rig = rig().await;
    rig.run(
        "INSERT INTO idempotency_key (principal, route, key, body_sha256, response, created_at) \
         VALUES ('p', 'r', 'k', '', '{}', now() - interval '2 days')",
    )
    .await;
    let worker = rig.worker("a", false).await;
    let chore = json!({ "chore": "old_idempotency_keys" });
    let id = rig.add_jobs(&[job(LANE, chore::KIND, chore)]).await[0];
    let row = rig.until_job(id, |row| row.state.is_final()).await;
    worker.stop().await;
    assert_eq!(row.state, JobState::Completed);
    let result = row.result.unwrap();
    assert_eq!(
        (&result["rows"], &result["unfinished"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(rig.count("idempotency_key").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_is_by_outcome() {
    let rig = rig().await;
    for parent in ["job_history_completed", "job_history_ended"] {
        let statement = format!(
            "DO $$ DECLARE d date := (now() AT TIME ZONE 'UTC')::date - 5; BEGIN EXECUTE format(\
             'CREATE TABLE {parent}_%s PARTITION OF {parent} FOR VALUES FROM (%L) TO (%L)', \
             to_char(d, 'YYYYMMDD'), d::text || ' 00:00+00', (d + 1)::text || ' 00:00+00'); END $$"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(rig.db.owner())
            .await
            .unwrap();
    }
    let dropped = async |completed_days, ended_days| {
        let mut options = rig.options("a", false);
        options.retention = Retention {
            completed_days,
            ended_days,
        };
        let worker = rig.start(options).await;
        let id = rig.add_jobs(&[job(LANE, PARTITION_CARE, json!({}))]).await[0];
        let row = rig.until_job(id, |row| row.state.is_final()).await;
        worker.stop().await;
        row.result.unwrap()["dropped"].clone()
    };
    assert_eq!(dropped(6, 6).await, 0);
    assert_eq!(dropped(6, 2).await, 1, "ended jobs alone");
    assert_eq!(dropped(2, 2).await, 1);
}
