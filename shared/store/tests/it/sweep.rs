//! The sweep's step: fair between issuers, never the same certificate twice.

use std::collections::BTreeSet;

use certmill_domain::ids::CertificateId;
use certmill_domain::order::issue_key;
use certmill_store::ca_key::CaKey;
use certmill_store::certificate::NewCertificate;
use certmill_store::sweep::{Due, take_due};
use certmill_store::{ca_key, kek};
use time::Duration;

use crate::rig::*;

fn ids(due: &[Due]) -> BTreeSet<CertificateId> {
    due.iter().map(|one| one.certificate_id).collect()
}

async fn add_many(rig: &Rig, prefix: &str, count: usize) -> Vec<CertificateId> {
    let new: Vec<NewCertificate> = (0..count)
        .map(|n| rig.new_certificate(&format!("{prefix}{n}.example.com")))
        .collect();
    rig.add_all(&new).await
}

async fn fill_lane(rig: &Rig, lane: &str, waiting: i32) {
    sqlx::query(
        "INSERT INTO job (team_id, queue, kind, run_at) \
         SELECT 1, $1, 'issue', now() + interval '1 hour' FROM generate_series(1, $2)",
    )
    .bind(lane)
    .bind(waiting)
    .execute(rig.db.app())
    .await
    .unwrap();
}

async fn cap(rig: &Rig, backlog_max: i32) {
    sqlx::query("UPDATE issuer SET backlog_max = $2 WHERE id = $1")
        .bind(rig.issuer.0)
        .bind(backlog_max)
        .execute(rig.db.app())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_step_takes_what_is_due_oldest_first_with_what_planning_needs() {
    let rig = rig().await;
    let all = add_many(&rig, "a", 4).await;
    rig.due_since(&all[1..2], 50).await;
    rig.due_since(&all[2..3], 100).await;
    let sleeper = NewCertificate {
        auto_renew: false,
        ..rig.new_certificate("never.example.com")
    };
    let sleeper = rig.add_all(&[sleeper]).await;
    rig.due_since(&sleeper, 200).await;
    let mut conn = rig.conn().await;

    let first = take_due(&mut conn, 1).await.unwrap();
    let rest = take_due(&mut conn, 10).await.unwrap();

    assert_eq!(ids(&first), [all[2]].into());
    assert_eq!(ids(&rest), [all[1]].into());
    assert!(take_due(&mut conn, 10).await.unwrap().is_empty());
    let one = &first[0];
    assert_eq!(
        (one.team_id, one.generation, one.issuer_id),
        (TEAM, 0, rig.issuer)
    );
    assert_eq!(
        (one.lane.as_str(), one.lifetime),
        ("issue:first", Duration::days(47))
    );
    assert_eq!((one.authority, one.remaining), (None, None));
    assert!((rig.now().await - one.now).abs() < Duration::seconds(20));
}

#[tokio::test]
async fn a_certificate_is_armed_again_by_a_quarter_of_what_is_left() {
    let rig = rig().await;
    for (left, wait_s) in [
        (None, 60.0),
        (Some(Duration::minutes(40)), 600.0),
        (Some(Duration::days(10)), 3_600.0),
        (Some(Duration::seconds(20)), 10.0),
        (Some(-Duration::hours(1)), 10.0),
    ] {
        let name = format!("{}.example.com", uuid::Uuid::new_v4().simple());
        let id = rig.add(&name).await;
        let end = match left {
            Some(left) => Some(rig.now().await + left),
            None => None,
        };
        sqlx::query("UPDATE certificate SET sweep_at = now(), renew_at = now(), not_after = $2 WHERE id = $1")
            .bind(id.0)
            .bind(end)
            .execute(rig.db.app())
            .await
            .unwrap();
        let before = rig.read(id).await;

        let due = take_due(&mut *rig.conn().await, 10).await.unwrap();

        assert_eq!(ids(&due), [id].into(), "{left:?}");
        let row = rig.read(id).await;
        let wait = (row.sweep_at.unwrap() - due[0].now).as_seconds_f64();
        assert!((wait - wait_s).abs() < 3.0, "{left:?}: {wait}");
        assert_eq!(
            row.renew_at, before.renew_at,
            "policy is not moved by a sweep"
        );
        assert_eq!(due[0].remaining.is_some(), left.is_some());
    }
}

#[tokio::test]
async fn a_second_stepper_takes_only_what_the_first_left() {
    let rig = rig().await;
    let all = add_many(&rig, "a", 6).await;
    rig.due_since(&all, 60).await;
    let mut first = certmill_pg::begin(rig.db.app()).await.unwrap();
    let mut second = certmill_pg::begin(rig.db.app()).await.unwrap();

    let a = take_due(&mut first, 4).await.unwrap();
    let b = tokio::time::timeout(PATIENCE, take_due(&mut second, 10))
        .await
        .expect("it does not wait for the first")
        .unwrap();
    first.rollback().await.unwrap();
    second.commit().await.unwrap();

    assert_eq!((a.len(), b.len()), (4, 2));
    assert!(ids(&a).is_disjoint(&ids(&b)));
    let again = take_due(&mut *rig.conn().await, 10).await.unwrap();
    assert_eq!(ids(&again), ids(&a), "what broke off is due still");
}

#[tokio::test]
async fn many_steppers_take_each_certificate_once() {
    let rig = rig().await;
    let all = add_many(&rig, "a", 300).await;
    rig.due_since(&all, 60).await;
    let stepper = || async {
        let mut mine = Vec::new();
        loop {
            let step = take_due(&mut *rig.conn().await, 7).await.unwrap();
            if step.is_empty() {
                return mine;
            }
            mine.extend(step.into_iter().map(|one| one.certificate_id));
        }
    };
    let (a, b, c, d) = tokio::join!(stepper(), stepper(), stepper(), stepper());
    let taken: Vec<CertificateId> = [a, b, c, d].concat();
    assert_eq!(
        taken.iter().copied().collect::<BTreeSet<_>>(),
        all.iter().copied().collect()
    );
    assert_eq!(taken.len(), all.len(), "none was taken twice");
}

#[tokio::test]
async fn the_backlog_of_an_issuer_bounds_its_step() {
    let rig = rig().await;
    let all = add_many(&rig, "a", 10).await;
    rig.due_since(&all, 60).await;
    cap(&rig, 5).await;
    fill_lane(&rig, "issue:first", 3).await;
    let mut conn = rig.conn().await;

    assert_eq!(take_due(&mut conn, 100).await.unwrap().len(), 2);
    fill_lane(&rig, "issue:first", 4).await;
    assert_eq!(
        take_due(&mut conn, 100).await.unwrap().len(),
        0,
        "over its cap"
    );
}

#[tokio::test]
async fn what_is_most_urgent_is_taken_beside_a_full_backlog_of_calm_jobs() {
    let rig = rig().await;
    let all = add_many(&rig, "a", 10).await;
    rig.due_since(&all, 60).await;
    cap(&rig, 5).await;
    fill_lane(&rig, "issue:first", 5).await;
    for (one, left) in [(&all[3], "2 days"), (&all[7], "1 day"), (&all[9], "-1 day")] {
        sqlx::query("UPDATE certificate SET not_after = now() + $2::text::interval WHERE id = $1")
            .bind(one.0)
            .bind(left)
            .execute(rig.db.app())
            .await
            .unwrap();
    }
    let mut conn = rig.conn().await;

    let first = take_due(&mut conn, 2).await.unwrap();
    let rest = take_due(&mut conn, 2).await.unwrap();

    assert_eq!(
        ids(&first),
        [all[7], all[9]].into(),
        "the nearest ends, and one that is past"
    );
    assert_eq!(ids(&rest), [all[3]].into());
    assert!(
        take_due(&mut conn, 2).await.unwrap().is_empty(),
        "the calm ones wait"
    );
}

#[tokio::test]
async fn a_dead_issuers_rows_do_not_starve_another() {
    let mut rig = rig().await;
    let dead = add_many(&rig, "dead", 50).await;
    rig.due_since(&dead, 9_000).await;
    cap(&rig, 20).await;
    fill_lane(&rig, "issue:first", 20).await;
    rig.issuer = add_issuer(&rig.db, "second").await;
    let alive = add_many(&rig, "alive", 5).await;
    rig.due_since(&alive, 1).await;

    let due = take_due(&mut *rig.conn().await, 10).await.unwrap();

    assert_eq!(ids(&due), alive.iter().copied().collect());
    assert!(due.iter().all(|one| one.lane == "issue:second"));
}

#[tokio::test]
async fn the_end_of_the_issuers_own_certificate_comes_along() {
    let rig = rig().await;
    let end = rig.now().await + Duration::days(3);
    let mut owner = rig.db.owner().acquire().await.unwrap();
    kek::register(&mut owner, "k", "ca").await.unwrap();
    let key = CaKey {
        id: ca_key::draw_id(&mut owner).await.unwrap(),
        name: "issuing".into(),
        parent_id: None,
        certificate_der: vec![0],
        chain_der: Vec::new(),
        not_after: end,
        kek_id: "k".into(),
        key_sealed: vec![0],
        retired_at: None,
    };
    ca_key::insert(&mut owner, &key).await.unwrap();
    sqlx::query("UPDATE issuer SET ca_key_id = $1")
        .bind(key.id)
        .execute(rig.db.app())
        .await
        .unwrap();
    let id = rig.add("a.example.com").await;
    rig.due_since(&[id], 1).await;

    let due = take_due(&mut *rig.conn().await, 10).await.unwrap();

    let authority = due[0].authority.unwrap();
    assert_eq!((authority.ca_key_id, authority.not_after), (key.id, end));
    let read = certmill_store::issuer::by_id(&mut *rig.conn().await, rig.issuer)
        .await
        .unwrap();
    assert_eq!(
        (read.ca_not_after, read.ca_key_id),
        (Some(end), Some(key.id))
    );
}

#[tokio::test]
async fn a_certificate_whose_job_lives_is_said_to_be_at_work() {
    let rig = rig().await;
    let all = add_many(&rig, "a", 2).await;
    rig.due_since(&all, 1).await;
    sqlx::query(
        "INSERT INTO job (team_id, queue, kind, unique_key) VALUES (1, 'issue:first', 'issue', $1)",
    )
    .bind(issue_key(all[0], 1))
    .execute(rig.db.app())
    .await
    .unwrap();

    let due = take_due(&mut *rig.conn().await, 10).await.unwrap();

    assert_eq!(ids(&due).len(), 2, "both are armed anew");
    for one in &due {
        assert_eq!(
            one.at_work,
            one.certificate_id == all[0],
            "the key is domain's issue_key"
        );
    }
}
