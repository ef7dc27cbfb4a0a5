//! Selecting jobs page by page, and what is done to many at once.

use certmill_domain::job::JobState;
use certmill_queue::control::{self, CancelOutcome};
use certmill_queue::selection::{Among, Part, Selected, Selector, highest_id, select};
use certmill_queue::{Enqueued, Error, JobId, NewJob, TeamId, Unfit, enqueue_all, many};
use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::rig::*;

async fn part(conn: &mut PgConnection, among: Among) -> Part {
    Part {
        team_id: TeamId(1),
        among,
        after: JobId(0),
        up_to: highest_id(conn).await.unwrap(),
        ended_by: OffsetDateTime::now_utc() + time::Duration::DAY,
    }
}

async fn all(conn: &mut PgConnection, among: Among, selector: &Selector, most: u16) -> Vec<JobId> {
    let mut part = part(conn, among).await;
    let mut found = Vec::new();
    loop {
        let Selected { ids, next } = select(conn, selector, &part, most).await.unwrap();
        assert!(ids.len() <= usize::from(most));
        found.extend(ids);
        let Some(after) = next else { return found };
        part.after = after;
    }
}

#[tokio::test]
async fn pages_meet_each_job_once_and_keep_what_is_meant() {
    let db = db().await;
    let mut conn = conn(&db).await;
    let jobs: Vec<NewJob> = (0..25)
        .map(|n| NewJob {
            kind: if n % 5 == 0 { "bulk" } else { "test" }.into(),
            object: Some(format!("o{}", n % 3)),
            ..new_job()
        })
        .collect();
    let ids: Vec<JobId> = enqueue_all(&mut conn, &jobs)
        .await
        .unwrap()
        .into_iter()
        .map(Enqueued::id)
        .collect();
    let meant: Vec<JobId> = (0..25).filter(|n| n % 5 != 0).map(|n| ids[n]).collect();
    for most in [1, 7, 100] {
        let found = all(&mut conn, Among::Live, &Selector::default(), most).await;
        assert_eq!(
            found, meant,
            "by {most}; those of operations are never meant"
        );
    }
    let named = Selector {
        ids: vec![ids[3], ids[1], ids[5], JobId(1 << 40)],
        ..Selector::default()
    };
    assert_eq!(
        all(&mut conn, Among::Live, &named, 9).await,
        [ids[1], ids[3]]
    );
    let about = Selector {
        objects: vec!["o1".into()],
        states: vec![JobState::Available],
        ..Selector::default()
    };
    assert_eq!(all(&mut conn, Among::Live, &about, 2).await.len(), 7);
    for none in [
        Selector {
            states: vec![JobState::Running],
            ..Selector::default()
        },
        Selector {
            error_codes: vec!["x".into()],
            ..Selector::default()
        },
        Selector {
            created_before: Some(OffsetDateTime::UNIX_EPOCH),
            ..Selector::default()
        },
    ] {
        assert_eq!(all(&mut conn, Among::Live, &none, 9).await, []);
    }
    assert_eq!(
        all(&mut conn, Among::Ended, &Selector::default(), 9).await,
        []
    );
}

#[tokio::test]
async fn ended_jobs_are_found_by_their_failure_and_repeated_once() {
    let db = db().await;
    let mut conn = conn(&db).await;
    let id = add(&db, &keyed("k")).await;
    let other = add(&db, &new_job()).await;
    let cancelled = many::cancel_all(&mut conn, &[id, other], "key_x")
        .await
        .unwrap();
    assert!(
        cancelled
            .iter()
            .all(|(_, outcome)| *outcome == CancelOutcome::Cancelled)
    );
    sqlx::raw_sql(r#"UPDATE job_history SET outcome = 3, error = '{"code": "no", "class": "rejected"}' WHERE unique_key IS NOT NULL"#)
        .execute(db.owner())
        .await
        .unwrap();
    let rejected = Selector {
        error_classes: vec!["rejected".into()],
        error_codes: vec!["no".into()],
        states: vec![JobState::Discarded],
        ..Selector::default()
    };
    assert_eq!(all(&mut conn, Among::Ended, &rejected, 9).await, [id]);
    let mut early = part(&mut conn, Among::Ended).await;
    early.ended_by = OffsetDateTime::UNIX_EPOCH;
    let none = select(&mut conn, &rejected, &early, 9).await.unwrap();
    assert_eq!((none.ids, none.next), (Vec::new(), None));
    let first = many::repeat_all(&mut conn, &[id]).await.unwrap();
    assert!(first[0].1.is_new());
    let again = many::repeat_all(&mut conn, &[id]).await.unwrap();
    assert_eq!(again[0].1, Enqueued::Present(first[0].1.id()));
    assert_eq!(
        control::cancel(&mut conn, id, "key_x").await.unwrap(),
        CancelOutcome::Ended(JobState::Discarded)
    );
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_before_anything_is_written() {
    let db = db().await;
    let mut conn = conn(&db).await;
    let unfit = NewJob {
        args: json!({ "a": "\0" }),
        ..new_job()
    };
    let refused = enqueue_all(&mut conn, &[new_job(), unfit])
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Error::Unfit { kind, why: Unfit::Nul(_) } if kind == "test"),
        "{refused}"
    );
    assert_eq!(highest_id(&mut conn).await.unwrap(), JobId(1));
    let most = NewJob {
        unique_key: Some(vec![7; 1024]),
        args: json!("x".repeat((1 << 20) - 2)),
        ..new_job()
    };
    assert!(enqueue_all(&mut conn, &[most]).await.unwrap()[0].is_new());
    assert_eq!(enqueue_all(&mut conn, &[]).await.unwrap(), []);
}
