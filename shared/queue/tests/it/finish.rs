//! Ending attempts: what is counted, what is kept, what a cancel does.

use std::time::Duration;

use certmill_domain::job::JobState;
use certmill_queue::control::{CancelOutcome, cancel};
use certmill_queue::finish::{complete, fail, snooze, was_completed};
use certmill_queue::{
    FailOutcome, Failure, FailureClass, NewJob, SnoozeOutcome, Until, claim, read,
};
use serde_json::json;

use crate::rig::*;

fn failure(permanent: bool) -> Failure {
    Failure {
        class: FailureClass::Wait,
        error: json!({ "code": "slow" }),
        backoff: Duration::from_secs(90),
        permanent,
        waiting_code: Some("issuer_pending".into()),
        log: None,
    }
}

#[tokio::test]
async fn jobs_come_by_priority_then_age_and_only_when_due() {
    let db = db().await;
    let a = register(&db, "a").await;
    let future = NewJob {
        priority: 0,
        start: certmill_queue::Start::After(Duration::from_secs(60)),
        ..new_job()
    };
    add(&db, &future).await;
    let low = add(
        &db,
        &NewJob {
            priority: 4,
            ..new_job()
        },
    )
    .await;
    let mid = add(&db, &new_job()).await;
    let high = add(
        &db,
        &NewJob {
            priority: 1,
            ..new_job()
        },
    )
    .await;
    let jobs = claim(db.app(), &request(a, 10)).await.unwrap();
    assert_eq!(
        jobs.iter().map(|j| j.lease.job_id).collect::<Vec<_>>(),
        [high, mid, low]
    );
}

#[tokio::test]
async fn a_completed_job_stands_in_the_history_with_all_it_was() {
    let db = db().await;
    let a = register(&db, "a").await;
    let job = NewJob {
        priority: 1,
        max_attempts: 3,
        object: Some("cert_x".into()),
        trace_id: Some("t".into()),
        args: json!({ "n": 1 }),
        ..keyed("k")
    };
    let id = add(&db, &job).await;
    let claimed = claim_one(&db, a).await;
    assert_eq!(
        (claimed.object.as_deref(), claimed.args["n"].as_i64()),
        (Some("cert_x"), Some(1))
    );
    let mut conn = conn(&db).await;
    assert_eq!(
        complete(&mut conn, &[(claimed.lease, &json!({ "ok": true }))])
            .await
            .unwrap(),
        [id]
    );
    assert_eq!(
        was_completed(&mut conn, &[claimed.lease]).await.unwrap(),
        [id]
    );
    let row = read::by_id(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.priority, row.max_attempts, row.attempt),
        (JobState::Completed, 1, 3, 1)
    );
    assert_eq!(
        (row.unique_key.as_deref(), row.object.as_deref()),
        (Some(&b"k"[..]), Some("cert_x"))
    );
    assert_eq!(
        (row.trace_id.as_deref(), row.result.unwrap()["ok"].as_bool()),
        (Some("t"), Some(true))
    );
    let live: i64 = sqlx::query_scalar("SELECT count(*) FROM job")
        .fetch_one(db.app())
        .await
        .unwrap();
    assert_eq!(live, 0);
    add(&db, &keyed("k")).await;
}

#[tokio::test]
async fn failures_wait_then_use_up_the_attempts() {
    let db = db().await;
    let a = register(&db, "a").await;
    let id = add(
        &db,
        &NewJob {
            max_attempts: 2,
            ..new_job()
        },
    )
    .await;
    let mut conn = conn(&db).await;
    let first = claim_one(&db, a).await;
    let outcome = fail(&mut conn, &first.lease, &failure(false))
        .await
        .unwrap();
    assert!(matches!(outcome, FailOutcome::Retry { .. }));
    let row = read::by_id(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.waiting_code.as_deref()),
        (JobState::Retryable, Some("issuer_pending"))
    );
    make_due(&db).await;
    let second = claim_one(&db, a).await;
    assert_eq!(
        fail(&mut conn, &second.lease, &failure(false))
            .await
            .unwrap(),
        FailOutcome::Discarded
    );
    let row = read::by_id(&mut conn, id).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempt), (JobState::Discarded, 2));
    let attempts = read::attempts(&mut conn, id, 50).await.unwrap();
    assert_eq!(
        attempts.iter().map(|a| a.attempt).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        (attempts[0].class.as_str(), attempts[0].worker_id),
        ("wait", Some(a.0))
    );
    assert_eq!(attempts[0].worker.as_deref(), Some("a"));
    let newest = read::attempts(&mut conn, id, 1).await.unwrap();
    assert_eq!((newest.len(), newest[0].attempt), (1, 2));
}

#[tokio::test]
async fn a_permanent_failure_discards_at_once() {
    let db = db().await;
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    let outcome = fail(&mut conn(&db).await, &job.lease, &failure(true))
        .await
        .unwrap();
    assert_eq!(outcome, FailOutcome::Discarded);
}

#[tokio::test]
async fn a_snooze_burns_no_attempt_and_says_why() {
    let db = db().await;
    let a = register(&db, "a").await;
    let id = add(
        &db,
        &NewJob {
            max_attempts: 1,
            ..new_job()
        },
    )
    .await;
    let mut conn = conn(&db).await;
    for _ in 0..3 {
        let job = claim_one(&db, a).await;
        assert_eq!(job.attempt, 1);
        let until = Until::After(Duration::from_secs(60));
        let outcome = snooze(&mut conn, &job.lease, until, "issuer_pending", None)
            .await
            .unwrap();
        assert!(matches!(outcome, SnoozeOutcome::Waiting { .. }));
        let row = read::by_id(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempt), (JobState::Scheduled, 0));
        assert_eq!(row.waiting_code.as_deref(), Some("issuer_pending"));
        make_due(&db).await;
    }
    let job = claim_one(&db, a).await;
    let at = Until::At(job.run_at + Duration::from_secs(3600));
    let SnoozeOutcome::Waiting { run_at } =
        snooze(&mut conn, &job.lease, at, "x", None).await.unwrap()
    else {
        panic!("it waits")
    };
    assert_eq!(run_at, job.run_at + Duration::from_secs(3600));
}

#[tokio::test]
async fn fail_and_snooze_honour_a_cancel() {
    let db = db().await;
    let a = register(&db, "a").await;
    let mut conn = conn(&db).await;
    for permanent in [false, true] {
        let id = add(&db, &new_job()).await;
        let job = claim_one(&db, a).await;
        assert_eq!(
            cancel(&mut conn, id, "key_x").await.unwrap(),
            CancelOutcome::Requested
        );
        let outcome = fail(&mut conn, &job.lease, &failure(permanent))
            .await
            .unwrap();
        assert_eq!(outcome, FailOutcome::Cancelled);
    }
    let id = add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    cancel(&mut conn, id, "key_x").await.unwrap();
    let until = Until::After(Duration::ZERO);
    assert_eq!(
        snooze(&mut conn, &job.lease, until, "x", None)
            .await
            .unwrap(),
        SnoozeOutcome::Cancelled
    );
    assert_eq!(
        read::by_id(&mut conn, id).await.unwrap().unwrap().state,
        JobState::Cancelled
    );
}
