//! Enqueuing: answers in input order, one live job a key, no deadlock.

use std::time::Duration;

use certmill_domain::job::JobState;
use certmill_queue::{Enqueued, Error, NewJob, Start, enqueue, enqueue_all, read};
use sqlx::Connection;

use crate::rig::*;

#[tokio::test]
async fn answers_come_in_input_order_and_tell_new_from_present() {
    let db = db().await;
    let live = add(&db, &keyed("b")).await;
    let jobs = [
        keyed("c"),
        new_job(),
        keyed("b"),
        keyed("a"),
        new_job(),
        keyed("c"),
    ];
    let answers = enqueue_all(&mut conn(&db).await, &jobs).await.unwrap();
    assert_eq!(answers[2], Enqueued::Present(live));
    assert_eq!(
        answers[5],
        Enqueued::Present(answers[0].id()),
        "equal keys in one call meet"
    );
    for (i, answer) in answers.iter().enumerate() {
        let row = read::by_id(&mut conn(&db).await, answer.id())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            row.unique_key, jobs[i].unique_key,
            "answer {i} names its own job"
        );
        assert_eq!(answer.is_new(), ![2, 5].contains(&i));
    }
    assert!(
        enqueue_all(&mut conn(&db).await, &[])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn many_keyless_jobs_keep_their_order() {
    let db = db().await;
    let jobs: Vec<NewJob> = (0..500)
        .map(|n| NewJob {
            object: Some(n.to_string()),
            ..new_job()
        })
        .collect();
    let answers = enqueue_all(&mut conn(&db).await, &jobs).await.unwrap();
    let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, object FROM job")
        .fetch_all(db.app())
        .await
        .unwrap();
    for (id, object) in rows {
        assert_eq!(answers[object.parse::<usize>().unwrap()].id().0, id);
    }
}

/// What all jobs of a call share is sent once, and what none has not at all; nothing may get mixed up.
#[tokio::test]
async fn each_job_of_a_call_keeps_what_is_its_own() {
    let db = db().await;
    let plain = new_job();
    let other = NewJob {
        kind: "other".into(),
        priority: 4,
        max_attempts: 3,
        start: Start::After(Duration::from_secs(3600)),
        object: Some("o".into()),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        args: serde_json::json!({ "n": 2 }),
        ..keyed("k")
    };
    for jobs in [
        vec![plain.clone(), other.clone(), plain.clone()],
        vec![other.clone()],
        vec![plain.clone(), plain.clone()],
    ] {
        let mut tx = certmill_pg::begin(db.app()).await.unwrap();
        let answers = enqueue_all(&mut tx, &jobs).await.unwrap();
        for (job, answer) in jobs.iter().zip(answers) {
            let row = read::by_id(&mut tx, answer.id()).await.unwrap().unwrap();
            let got = (&row.kind, row.priority, row.max_attempts, &row.args);
            let wanted = (&job.kind, job.priority, job.max_attempts, &job.args);
            assert_eq!(got, wanted);
            let got = (&row.unique_key, &row.object, &row.trace_id);
            assert_eq!(got, (&job.unique_key, &job.object, &job.trace_id));
            let later = row.state == JobState::Scheduled;
            assert_eq!(later, job.start != Start::Now);
        }
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn it_is_part_of_the_callers_transaction() {
    let db = db().await;
    let mut tx = certmill_pg::begin(db.app()).await.unwrap();
    let id = enqueue(&mut tx, &new_job()).await.unwrap().id();
    tx.rollback().await.unwrap();
    assert!(
        read::by_id(&mut conn(&db).await, id)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn an_undeclared_lane_is_refused_by_name() {
    let db = db().await;
    let stray = NewJob {
        queue: "nowhere".into(),
        ..keyed("x")
    };
    let answer = enqueue_all(&mut conn(&db).await, &[new_job(), stray]).await;
    assert!(matches!(answer, Err(Error::UnknownLane { queue }) if queue == "nowhere"));
}

#[tokio::test]
async fn a_start_in_the_future_is_scheduled_and_one_in_the_past_is_now() {
    let db = db().await;
    let later = NewJob {
        start: Start::After(Duration::from_secs(60)),
        ..new_job()
    };
    let past = NewJob {
        start: Start::At(time::OffsetDateTime::UNIX_EPOCH),
        ..new_job()
    };
    let (later, past) = (add(&db, &later).await, add(&db, &past).await);
    let mut conn = conn(&db).await;
    let later = read::by_id(&mut conn, later).await.unwrap().unwrap();
    let past = read::by_id(&mut conn, past).await.unwrap().unwrap();
    assert_eq!(
        (later.state, past.state),
        (JobState::Scheduled, JobState::Available)
    );
    assert_eq!(later.run_at - later.created_at, Duration::from_secs(60));
    assert_eq!(past.run_at, past.created_at);
}

#[tokio::test]
async fn the_same_keys_in_opposite_order_do_not_deadlock() {
    let db = db().await;
    let (mut first, mut second) = (db.session().await, db.session().await);
    let (up, down) = ([keyed("a"), keyed("b")], [keyed("b"), keyed("a")]);
    let waiter = pid(&mut second).await;
    let mut tx = first.begin().await.unwrap();
    let winners = enqueue_all(&mut tx, &up).await.unwrap();
    let (losers, ()) = tokio::join!(enqueue_all(&mut second, &down), async {
        until_blocked(&db, waiter).await;
        tx.commit().await.unwrap();
    });
    let losers = losers.unwrap();
    assert_eq!(losers[0], Enqueued::Present(winners[1].id()));
    assert_eq!(losers[1], Enqueued::Present(winners[0].id()));
}

#[tokio::test]
async fn a_key_whose_holder_rolls_back_is_free() {
    let db = db().await;
    let (mut first, mut second) = (db.session().await, db.session().await);
    let waiter = pid(&mut second).await;
    let mut tx = first.begin().await.unwrap();
    enqueue(&mut tx, &keyed("a")).await.unwrap();
    let job = keyed("a");
    let (answer, ()) = tokio::join!(enqueue(&mut second, &job), async {
        until_blocked(&db, waiter).await;
        tx.rollback().await.unwrap();
    });
    assert!(answer.unwrap().is_new());
}
