//! Rescue: who may declare others dead, and what becomes of their jobs.

use certmill_domain::job::JobState;
use certmill_queue::control::cancel;
use certmill_queue::process::{self, processes, prune, resign};
use certmill_queue::rescue::{is_due, mark_dead, rescue};
use certmill_queue::{ProcessId, claim, claim_suspect, probe_due, read};
use certmill_testkit::TestDb;

use crate::rig::*;

async fn lose(db: &TestDb, owner: ProcessId, me: ProcessId) -> certmill_queue::rescue::Rescued {
    silence(db, owner).await;
    let mut conn = conn(db).await;
    assert!(!is_due(&mut conn).await.unwrap(), "nobody is dead yet");
    assert_eq!(mark_dead(&mut conn, me).await.unwrap(), [owner]);
    assert!(is_due(&mut conn).await.unwrap());
    rescue(&mut conn, me, 100).await.unwrap()
}

#[tokio::test]
async fn the_third_loss_in_a_row_ends_a_poison_job_and_spares_its_neighbours() {
    let db = db().await;
    let me = register_steady(&db, "me").await;
    let poison = add(&db, &new_job()).await;
    for _ in 0..2 {
        let owner = register(&db, "victim").await;
        assert_eq!(claim(db.app(), &request(owner, 10)).await.unwrap().len(), 1);
        assert_eq!(lose(&db, owner, me).await.returned, [poison]);
    }
    let neighbour = add(&db, &new_job()).await;
    let owner = register(&db, "victim").await;
    let batch = claim(db.app(), &request(owner, 10)).await.unwrap();
    assert_eq!(batch.len(), 1, "the suspect is not in a batch");
    assert_eq!(batch[0].lease.job_id, neighbour);
    let due = probe_due(db.app(), &[LANE], None).await.unwrap();
    assert!(due[0].suspect);
    let suspect = claim_suspect(db.app(), &request(owner, 1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (suspect.lease.job_id, suspect.attempt, suspect.lost),
        (poison, 1, 2)
    );
    let rescued = lose(&db, owner, me).await;
    assert_eq!(
        (rescued.discarded, rescued.returned),
        (vec![poison], vec![neighbour])
    );
    let row = read::by_id(&mut conn(&db).await, poison)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.state, row.lost), (JobState::Discarded, 3));
    assert_eq!(row.error.unwrap()["code"], "lost_worker");
    assert_eq!(
        read::attempts(&mut conn(&db).await, poison, 50)
            .await
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_process_runs_one_suspect_at_most() {
    let db = db().await;
    let a = register(&db, "a").await;
    add(&db, &new_job()).await;
    add(&db, &new_job()).await;
    sqlx::query("UPDATE job SET lost = 2")
        .execute(db.app())
        .await
        .unwrap();
    assert!(claim(db.app(), &request(a, 10)).await.unwrap().is_empty());
    assert!(
        claim_suspect(db.app(), &request(a, 1))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        claim_suspect(db.app(), &request(a, 1))
            .await
            .unwrap()
            .is_none()
    );
    let b = register(&db, "b").await;
    assert!(
        claim_suspect(db.app(), &request(b, 1))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn rescue_ends_what_was_to_be_cancelled() {
    let db = db().await;
    let (a, me) = (register(&db, "a").await, register_steady(&db, "me").await);
    let id = add(&db, &new_job()).await;
    claim_one(&db, a).await;
    cancel(&mut conn(&db).await, id, "key_x").await.unwrap();
    assert_eq!(lose(&db, a, me).await.cancelled, [id]);
    assert_eq!(
        read::by_id(&mut conn(&db).await, id)
            .await
            .unwrap()
            .unwrap()
            .state,
        JobState::Cancelled
    );
}

#[tokio::test]
async fn who_was_not_steady_for_a_lease_declares_nobody_dead() {
    let db = db().await;
    let (a, me) = (register(&db, "a").await, register(&db, "me").await);
    add(&db, &new_job()).await;
    claim_one(&db, a).await;
    silence(&db, a).await;
    sqlx::query("UPDATE job SET deadline_at = now() - interval '1 s'")
        .execute(db.app())
        .await
        .unwrap();
    let mut conn = conn(&db).await;
    assert!(mark_dead(&mut conn, me).await.unwrap().is_empty());
    assert_eq!(rescue(&mut conn, me, 10).await.unwrap().total(), 0);
    // Steady for long, but then silent for more than half a lease: it starts anew.
    sqlx::query(
        "UPDATE process SET steady_since = now() - interval '1 hour', \
         last_beat_at = now() - interval '16 s' WHERE id = $1",
    )
    .bind(me.0)
    .execute(db.app())
    .await
    .unwrap();
    assert!(process::beat(&mut conn, me).await.unwrap());
    assert!(mark_dead(&mut conn, me).await.unwrap().is_empty());
    // A beat in time keeps the standing.
    sqlx::query("UPDATE process SET steady_since = now() - interval '1 hour' WHERE id = $1")
        .bind(me.0)
        .execute(db.app())
        .await
        .unwrap();
    assert!(process::beat(&mut conn, me).await.unwrap());
    assert_eq!(mark_dead(&mut conn, me).await.unwrap(), [a]);
    assert!(
        !process::beat(&mut conn, a).await.unwrap(),
        "a dead process learns of it"
    );
    assert!(is_due(&mut conn).await.unwrap());
    assert_eq!(rescue(&mut conn, me, 10).await.unwrap().total(), 1);
    assert!(!is_due(&mut conn).await.unwrap());
}

#[tokio::test]
async fn after_a_step_back_of_the_clock_the_dead_are_still_found() {
    let db = db().await;
    let (a, me) = (register(&db, "a").await, register_steady(&db, "me").await);
    sqlx::query("UPDATE process SET expires_at = now() + interval '2 hours' WHERE id = $1")
        .bind(a.0)
        .execute(db.app())
        .await
        .unwrap();
    assert_eq!(mark_dead(&mut conn(&db).await, me).await.unwrap(), [a]);
}

#[tokio::test]
async fn resigning_frees_jobs_without_counting_them_lost() {
    let db = db().await;
    let (a, b) = (register(&db, "a").await, register(&db, "b").await);
    let id = add(&db, &new_job()).await;
    let job = claim_one(&db, a).await;
    assert_eq!(resign(&mut conn(&db).await, a).await.unwrap(), 1);
    assert_eq!(resign(&mut conn(&db).await, a).await.unwrap(), 0);
    let heir = claim_one(&db, b).await;
    assert_eq!((heir.lease.job_id, heir.attempt, heir.lost), (id, 1, 0));
    assert!(heir.lease.fence > job.lease.fence);
    let rows = processes(&mut conn(&db).await).await.unwrap();
    let of = |id| rows.iter().find(|row| row.id == id).unwrap();
    assert!(!of(a).alive && of(b).alive && of(b).running == 1);
    sqlx::query("UPDATE process SET dead_at = now() - interval '2 days' WHERE id = $1")
        .bind(a.0)
        .execute(db.app())
        .await
        .unwrap();
    assert_eq!(prune(&mut conn(&db).await).await.unwrap(), 1);
}

#[tokio::test]
async fn two_rescuers_share_the_work() {
    let db = db().await;
    let (a, me) = (register(&db, "a").await, register_steady(&db, "me").await);
    for _ in 0..4 {
        add(&db, &new_job()).await;
    }
    claim(db.app(), &request(a, 10)).await.unwrap();
    silence(&db, a).await;
    mark_dead(&mut conn(&db).await, me).await.unwrap();
    let mut session = db.session().await;
    let mut tx = sqlx::Connection::begin(&mut session).await.unwrap();
    let first = rescue(&mut tx, me, 2).await.unwrap();
    let second = rescue(&mut conn(&db).await, me, 10).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((first.total(), second.total()), (2, 2));
    assert!(
        first
            .returned
            .iter()
            .all(|id| !second.returned.contains(id))
    );
}
