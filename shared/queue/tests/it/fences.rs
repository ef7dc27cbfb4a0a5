//! Two owners of one job: who may write what, forced step by step on real connections.

use certmill_domain::job::JobState;
use certmill_queue::checkpoint::hold;
use certmill_queue::finish::{self, Until};
use certmill_queue::rescue::{mark_dead, rescue};
use certmill_queue::{
    Error, Failure, FailureClass, Lease, LowWater, NewJob, claim, claim_above, read,
};
use certmill_testkit::TestDb;
use serde_json::json;
use sqlx::Connection;

use crate::rig::*;

fn failure() -> Failure {
    Failure {
        class: FailureClass::Retry,
        error: json!({ "code": "test" }),
        backoff: std::time::Duration::from_secs(5),
        permanent: false,
        waiting_code: None,
        log: None,
    }
}

/// Every fenced write under this lease is refused and changes nothing.
async fn assert_powerless(db: &TestDb, lease: &Lease) {
    let before: Option<(i32, i16)> = sqlx::query_as("SELECT fence, state FROM job WHERE id = $1")
        .bind(lease.job_id.0)
        .fetch_optional(db.app())
        .await
        .unwrap();
    let mut conn = conn(db).await;
    assert!(
        finish::complete(&mut conn, &[(*lease, &json!({}))])
            .await
            .unwrap()
            .is_empty()
    );
    assert!(matches!(
        finish::fail(&mut conn, lease, &failure()).await,
        Err(Error::LeaseLost)
    ));
    let until = Until::After(std::time::Duration::ZERO);
    let snoozed = finish::snooze(&mut conn, lease, until, "x", None).await;
    assert!(matches!(snoozed, Err(Error::LeaseLost)));
    assert!(matches!(
        hold(&mut conn, lease).await,
        Err(Error::LeaseLost)
    ));
    let after: Option<(i32, i16)> = sqlx::query_as("SELECT fence, state FROM job WHERE id = $1")
        .bind(lease.job_id.0)
        .fetch_optional(db.app())
        .await
        .unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn two_claimers_never_get_the_same_job() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register(&db, "b").await);
    let (one, two) = (add(&db, &new_job()).await, add(&db, &new_job()).await);
    let mut first = db.session().await;
    let mut tx = first.begin().await.unwrap();
    let held = claim(&mut *tx, &request(a, 1)).await.unwrap();
    let other = claim(db.app(), &request(b, 5)).await.unwrap();
    assert_eq!(
        (held[0].lease.job_id, other[0].lease.job_id, other.len()),
        (one, two, 1)
    );
    tx.commit().await.unwrap();
    assert!(claim(db.app(), &request(b, 5)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_claim_that_rolls_back_leaves_the_job_to_others() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register(&db, "b").await);
    add(&db, &new_job()).await;
    let mut first = db.session().await;
    let mut tx = first.begin().await.unwrap();
    let held = claim(&mut *tx, &request(a, 1)).await.unwrap().remove(0);
    tx.rollback().await.unwrap();
    let other = claim_one(&db, b).await;
    assert_eq!((other.lease.fence, other.attempt), (1, 1));
    assert_ne!(held.lease.token, other.lease.token);
    assert_powerless(&db, &held.lease).await;
}

#[tokio::test]
async fn a_dead_process_claims_nothing() {
    let db = db().await;
    let (a, me) = (register(&db, "a").await, register_steady(&db, "me").await);
    add(&db, &new_job()).await;
    silence(&db, a).await;
    assert_eq!(mark_dead(&mut conn(&db).await, me).await.unwrap(), [a]);
    assert!(claim(db.app(), &request(a, 1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_zombie_is_powerless_against_another_process() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register_steady(&db, "b").await);
    add(&db, &new_job()).await;
    let zombie = claim_one(&db, a).await;
    silence(&db, a).await;
    mark_dead(&mut conn(&db).await, b).await.unwrap();
    assert_eq!(
        rescue(&mut conn(&db).await, b, 10)
            .await
            .unwrap()
            .returned
            .len(),
        1
    );
    assert_powerless(&db, &zombie.lease).await;
    let heir = claim_one(&db, b).await;
    assert_eq!(
        (heir.attempt, heir.lost),
        (1, 1),
        "the lost attempt was given back"
    );
    assert!(heir.lease.fence > zombie.lease.fence);
    assert_powerless(&db, &zombie.lease).await;
    let done = finish::complete(&mut conn(&db).await, &[(heir.lease, &json!({}))])
        .await
        .unwrap();
    assert_eq!(done, [heir.lease.job_id]);
    assert_powerless(&db, &zombie.lease).await;
}

#[tokio::test]
async fn a_zombie_is_powerless_against_its_own_second_claim() {
    let db = db().await;
    let a = register_steady(&db, "a").await;
    add(&db, &new_job()).await;
    let zombie = claim_one(&db, a).await;
    sqlx::query("UPDATE job SET deadline_at = now() - interval '1 s'")
        .execute(db.app())
        .await
        .unwrap();
    assert_eq!(
        rescue(&mut conn(&db).await, a, 10)
            .await
            .unwrap()
            .returned
            .len(),
        1
    );
    let again = claim_one(&db, a).await;
    assert_eq!(again.lease.process_id, zombie.lease.process_id);
    assert_powerless(&db, &zombie.lease).await;
    hold(&mut conn(&db).await, &again.lease).await.unwrap();
}

#[tokio::test]
async fn an_equal_fence_with_another_token_is_refused() {
    let db = db().await;
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    // As after a failover that lost the first claim: counter and process are the same again.
    sqlx::query("UPDATE job SET lease_token = lease_token # 1")
        .execute(db.app())
        .await
        .unwrap();
    assert_powerless(&db, &job.lease).await;
}

#[tokio::test]
async fn fences_move_on_every_release() {
    let db = db().await;
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    let first = claim_one(&db, a).await;
    finish::fail(&mut conn(&db).await, &first.lease, &failure())
        .await
        .unwrap();
    assert_powerless(&db, &first.lease).await;
    make_due(&db).await;
    let second = claim_one(&db, a).await;
    let until = Until::After(std::time::Duration::ZERO);
    finish::snooze(&mut conn(&db).await, &second.lease, until, "x", None)
        .await
        .unwrap();
    assert_powerless(&db, &second.lease).await;
    let third = claim_one(&db, a).await;
    let fences = [first.lease.fence, second.lease.fence, third.lease.fence];
    assert_eq!(fences, [1, 3, 5]);
}

#[tokio::test]
async fn a_held_checkpoint_keeps_rescue_away_until_it_commits() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register_steady(&db, "b").await);
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    hold(&mut tx, &job.lease).await.unwrap();
    silence(&db, a).await;
    mark_dead(&mut conn(&db).await, b).await.unwrap();
    assert_eq!(
        rescue(&mut conn(&db).await, b, 10).await.unwrap().total(),
        0
    );
    tx.commit().await.unwrap();
    assert_eq!(
        rescue(&mut conn(&db).await, b, 10).await.unwrap().total(),
        1
    );
}

#[tokio::test]
async fn a_checkpoint_that_meets_a_rescue_waits_and_learns_of_it() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register_steady(&db, "b").await);
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    silence(&db, a).await;
    mark_dead(&mut conn(&db).await, b).await.unwrap();
    let (mut rescuer, mut holder) = (db.session().await, db.session().await);
    let waiter = pid(&mut holder).await;
    let mut tx = rescuer.begin().await.unwrap();
    assert_eq!(rescue(&mut tx, b, 10).await.unwrap().total(), 1);
    let (held, ()) = tokio::join!(hold(&mut holder, &job.lease), async {
        until_blocked(&db, waiter).await;
        tx.commit().await.unwrap();
    });
    assert!(matches!(held, Err(Error::LeaseLost)));
}

#[tokio::test]
async fn a_completion_that_meets_a_rescue_waits_and_is_refused() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register_steady(&db, "b").await);
    add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    silence(&db, a).await;
    mark_dead(&mut conn(&db).await, b).await.unwrap();
    let (mut rescuer, mut finisher) = (db.session().await, db.session().await);
    let waiter = pid(&mut finisher).await;
    let mut tx = rescuer.begin().await.unwrap();
    rescue(&mut tx, b, 10).await.unwrap();
    let result = json!({});
    let ended = [(job.lease, &result)];
    let (done, ()) = tokio::join!(finish::complete(&mut finisher, &ended), async {
        until_blocked(&db, waiter).await;
        tx.commit().await.unwrap();
    });
    assert!(done.unwrap().is_empty());
}

#[tokio::test]
async fn a_claim_that_races_with_the_death_of_its_process_is_rescued() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register_steady(&db, "b").await);
    let id = add(&db, &new_job()).await;
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    assert_eq!(claim(&mut *tx, &request(a, 1)).await.unwrap().len(), 1);
    silence(&db, a).await;
    mark_dead(&mut conn(&db).await, b).await.unwrap();
    assert_eq!(
        rescue(&mut conn(&db).await, b, 10).await.unwrap().total(),
        0,
        "not seen yet"
    );
    tx.commit().await.unwrap();
    assert_eq!(
        rescue(&mut conn(&db).await, b, 10).await.unwrap().returned,
        [id]
    );
}

#[tokio::test]
async fn the_low_water_mark_hides_only_what_was_seen() {
    let db = db().await;
    let a = register(&db, "a").await;
    let first = add(&db, &new_job()).await;
    for _ in 0..3 {
        add(&db, &new_job()).await;
    }
    let mut marks = LowWater::default();
    let seen = claim_above(db.app(), &request(a, 2), &marks).await.unwrap();
    assert_eq!(seen[0].lease.job_id, first);
    marks.note(&seen);
    // A late commit below the mark stays unseen until the mark is reset.
    let late = NewJob {
        start: certmill_queue::Start::Now,
        ..new_job()
    };
    let late = add(&db, &late).await;
    sqlx::query("UPDATE job SET run_at = now() - interval '1 day' WHERE id = $1")
        .bind(late.0)
        .execute(db.app())
        .await
        .unwrap();
    let next = claim_above(db.app(), &request(a, 10), &marks)
        .await
        .unwrap();
    assert_eq!(next.len(), 2);
    marks.note(&next);
    let empty = claim_above(db.app(), &request(a, 10), &marks)
        .await
        .unwrap();
    marks.note(&empty);
    let found = claim_above(db.app(), &request(a, 10), &marks)
        .await
        .unwrap();
    assert_eq!(found[0].lease.job_id, late);
    let row = read::by_id(&mut conn(&db).await, late)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.state, JobState::Running);
}
