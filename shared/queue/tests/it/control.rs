//! What people do to jobs and what they see of them, on live and ended rows.

use certmill_domain::job::JobState;
use certmill_queue::checkpoint::hold;
use certmill_queue::control::{CancelOutcome, RetryOutcome, cancel, retry};
use certmill_queue::finish::{self, fail};
use certmill_queue::read::{self, JobFilter};
use certmill_queue::{Failure, FailureClass, JobId, NewJob, Start, TeamId, claim, probe_due};
use serde_json::json;
use sqlx::Connection;
use std::time::Duration;

use crate::rig::*;

#[tokio::test]
async fn cancel_ends_a_waiting_job_and_asks_a_running_one() {
    let db = db().await;
    let a = register(&db, "a").await;
    let mut conn = conn(&db).await;
    let id = add(&db, &new_job()).await;
    assert_eq!(
        cancel(&mut conn, id, "key_x").await.unwrap(),
        CancelOutcome::Cancelled
    );
    let again = cancel(&mut conn, id, "key_x").await.unwrap();
    assert_eq!(again, CancelOutcome::Ended(JobState::Cancelled));
    let running = add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    assert!(!hold(&mut conn, &job.lease).await.unwrap().cancel_requested);
    assert_eq!(
        cancel(&mut conn, running, "key_x").await.unwrap(),
        CancelOutcome::Requested
    );
    assert!(hold(&mut conn, &job.lease).await.unwrap().cancel_requested);
    assert_eq!(
        cancel(&mut conn, JobId(1 << 40), "key_x").await.unwrap(),
        CancelOutcome::NotFound
    );
}

#[tokio::test]
async fn a_cancel_that_meets_a_claim_asks_the_claimer() {
    let db = db().await;
    let a = register(&db, "a").await;
    let id = add(&db, &new_job()).await;
    let (mut claimer, mut other) = (db.session().await, db.session().await);
    let waiter = pid(&mut other).await;
    let mut tx = claimer.begin().await.unwrap();
    let job = claim(&mut *tx, &request(a, 1)).await.unwrap().remove(0);
    let (outcome, ()) = tokio::join!(cancel(&mut other, id, "key_x"), async {
        until_blocked(&db, waiter).await;
        tx.commit().await.unwrap();
    });
    assert_eq!(outcome.unwrap(), CancelOutcome::Requested);
    assert!(
        hold(&mut conn(&db).await, &job.lease)
            .await
            .unwrap()
            .cancel_requested
    );
}

#[tokio::test]
async fn retry_brings_forward_repeats_or_explains() {
    let db = db().await;
    let a = register(&db, "a").await;
    let mut conn = conn(&db).await;
    let later = NewJob {
        start: Start::After(Duration::from_secs(600)),
        ..keyed("k")
    };
    let id = add(&db, &later).await;
    assert_eq!(retry(&mut conn, id).await.unwrap(), RetryOutcome::Due(id));
    let job = claim_one(&db, a).await;
    assert_eq!(retry(&mut conn, id).await.unwrap(), RetryOutcome::Running);
    let failure = Failure {
        class: FailureClass::Rejected,
        error: json!({ "code": "no" }),
        backoff: Duration::ZERO,
        permanent: true,
        waiting_code: None,
        log: None,
    };
    fail(&mut conn, &job.lease, &failure).await.unwrap();
    let RetryOutcome::New(repeat) = retry(&mut conn, id).await.unwrap() else {
        panic!("new")
    };
    assert_ne!(repeat, id);
    assert_eq!(
        retry(&mut conn, id).await.unwrap(),
        RetryOutcome::Present(repeat)
    );
    let job = claim_one(&db, a).await;
    finish::complete(&mut conn, &[(job.lease, &json!(null))])
        .await
        .unwrap();
    assert_eq!(
        retry(&mut conn, repeat).await.unwrap(),
        RetryOutcome::Completed
    );
    assert_eq!(
        retry(&mut conn, JobId(1 << 40)).await.unwrap(),
        RetryOutcome::NotFound
    );
}

#[tokio::test]
async fn lists_filter_and_page_over_live_and_ended_jobs() {
    let db = db().await;
    let a = register(&db, "a").await;
    let mut conn = conn(&db).await;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(
            add(
                &db,
                &NewJob {
                    team_id: TeamId(1 + n % 2),
                    ..new_job()
                },
            )
            .await,
        );
    }
    for job in claim(db.app(), &request(a, 4)).await.unwrap() {
        finish::complete(&mut conn, &[(job.lease, &json!(null))])
            .await
            .unwrap();
    }
    cancel(&mut conn, ids[9], "key_x").await.unwrap();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = read::list(&mut conn, &JobFilter::default(), before, 3)
            .await
            .unwrap();
        before = page.last().map(|row| row.id);
        seen.extend(page.into_iter().map(|row| row.id));
        if before.is_none() {
            break;
        }
    }
    ids.reverse();
    assert_eq!(seen, ids);
    let by = |states: &[JobState], team| JobFilter {
        states: states.to_vec(),
        team_id: team,
        queues: vec![LANE.into()],
        kinds: vec!["test".into()],
    };
    let count = |filter| {
        let db = &db;
        async move {
            read::list(&mut crate::rig::conn(db).await, &filter, None, 50)
                .await
                .unwrap()
                .len()
        }
    };
    assert_eq!(count(by(&[JobState::Completed], None)).await, 4);
    assert_eq!(
        count(by(&[JobState::Completed, JobState::Cancelled], None)).await,
        5
    );
    assert_eq!(count(by(&[JobState::Available], Some(TeamId(1)))).await, 3);
    assert_eq!(count(by(&[JobState::Running], None)).await, 0);
    let counts = read::counts(&mut conn, None).await.unwrap();
    let of = |state| counts.iter().find(|c| c.state == state).unwrap();
    assert_eq!(
        (of(JobState::Completed).count, of(JobState::Available).count),
        (4, 5)
    );
    assert!(!of(JobState::Completed).more);
}

#[tokio::test]
async fn one_probe_tells_which_lanes_have_something_due() {
    let db = db().await;
    let queues = [LANE, "quiet"];
    let later = NewJob {
        start: Start::After(Duration::from_secs(600)),
        ..new_job()
    };
    add(&db, &later).await;
    let due = probe_due(db.app(), &queues, None).await.unwrap();
    let lane = due.iter().find(|lane| lane.queue == LANE).unwrap();
    assert!(!lane.ready && !lane.suspect);
    assert!(lane.next_in.unwrap() > Duration::from_secs(590));
    let quiet = due.iter().find(|lane| lane.queue == "quiet").unwrap();
    assert_eq!((quiet.ready, quiet.next_in), (false, None));
    add(&db, &new_job()).await;
    let due = probe_due(db.app(), &queues, None).await.unwrap();
    let lane = due.iter().find(|lane| lane.queue == LANE).unwrap();
    assert!(lane.ready && lane.next_in == Some(Duration::ZERO));
}
