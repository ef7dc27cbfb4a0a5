//! Chores: each removes or mends what it is for, and nothing else.

use certmill_service::schedules::{self, Periods};
use certmill_service::{Error, cluster};

use crate::rig::*;

/// Steps until one finds nothing; how many rows were seen to.
async fn chore(rig: &Rig, name: &str) -> u64 {
    let mut rows = 0;
    loop {
        let step = schedules::step(rig.db.app(), name).await;
        match step.expect("it is a chore").unwrap() {
            0 => return rows,
            some => rows += some,
        }
    }
}

#[tokio::test]
async fn only_chores_are_done_by_steps() {
    let rig = rig().await;
    for unknown in ["renewal", "of_a_newer_build"] {
        let step: Option<Result<u64, Error>> = schedules::step(rig.db.app(), unknown).await;
        assert!(step.is_none(), "{unknown}");
    }
}

#[tokio::test]
async fn every_schedule_names_a_lane_that_workers_claim_from() {
    let rig = rig().await;
    let schedules = schedules::all(Periods {
        renewal: std::time::Duration::from_secs(60),
    });
    for one in &schedules {
        let lanes = count(&rig, &format!("lane WHERE name = '{}'", one.queue)).await;
        assert_eq!(lanes, 1, "{}", one.queue);
    }
}

#[tokio::test]
async fn idempotency_keys_are_forgotten_after_a_day() {
    let rig = rig().await;
    run(
        rig.db.app(),
        "INSERT INTO idempotency_key (principal, route, key, body_sha256, response, created_at) \
         SELECT 'p', 'r', n::text, '', '{}', now() - n * interval '1 minute' FROM generate_series(1, 4000) n",
    )
    .await;
    assert_eq!(chore(&rig, "old_idempotency_keys").await, 4000 - 1439);
}

#[tokio::test]
async fn limits_at_their_full_burst_lose_their_rows() {
    let rig = rig().await;
    run(
        rig.db.app(),
        "INSERT INTO api_limit (key, tat) \
         SELECT n::text, now() - n * interval '1 minute' FROM generate_series(1, 100) n",
    )
    .await;
    assert_eq!(chore(&rig, "idle_limits").await, 41);
}

#[tokio::test]
async fn processes_that_are_long_dead_lose_their_rows_unless_a_job_is_theirs() {
    let rig = rig().await;
    request(&rig, "held.example").await;
    claim_one(&rig).await;
    for hours in [2, 30] {
        run(
            rig.db.app(),
            &format!(
                "INSERT INTO process (role, label, version, lease, expires_at, dead_at) \
                 SELECT 'worker', 'w{hours}', '0', '30 s', at, at \
                 FROM (SELECT now() - interval '{hours} hours') x (at)"
            ),
        )
        .await;
    }
    let holder = "UPDATE process SET dead_at = now() - interval '40 hours' WHERE dead_at IS NULL";
    run(rig.db.app(), holder).await;
    assert_eq!(chore(&rig, "dead_processes").await, 1);
    assert_eq!(count(&rig, "process WHERE label = 'w30'").await, 0);
    assert_eq!(count(&rig, "process").await, 2, "the holder and w2");
}

#[tokio::test]
async fn an_expiry_is_told_once_and_one_that_was_meant_is_not() {
    let rig = rig().await;
    let mut ids = Vec::new();
    for name in ["late.example", "ended.example", "well.example"] {
        let (id, _) = request(&rig, name).await;
        issue(&rig, id, 1).await;
        ids.push(id);
    }
    assert_eq!(
        chore(&rig, "expired_certificates").await,
        0,
        "it begins now"
    );
    run(
        rig.db.app(),
        "UPDATE certificate SET not_after = clock_timestamp() + interval '1 ms', \
             stop_reason = CASE name WHEN 'ended.example' THEN 4 END \
         WHERE name <> 'well.example'; \
         SELECT pg_sleep(0.01)",
    )
    .await;
    assert_eq!(chore(&rig, "expired_certificates").await, 1);
    assert_eq!(chore(&rig, "expired_certificates").await, 0, "once");
    let told = format!("event WHERE code = 'expired' AND object = '{}'", ids[0]);
    assert_eq!(count(&rig, &told).await, 1);
}

#[tokio::test]
async fn jobs_are_counted_by_the_hour_once_it_is_over() {
    let rig = rig().await;
    assert_eq!(chore(&rig, "job_hours").await, 0, "the hour is not over");
    let (id, _) = request(&rig, "counted.example").await;
    issue(&rig, id, 1).await;
    let ended = "INSERT INTO job_history (id, team_id, queue, kind, priority, outcome, attempt, max_attempts, \
             lost, fence, run_at, created_at, claimed_at, finalized_at, args) \
         SELECT n, 1, 'q', 'k', 2, CASE n WHEN 3 THEN 3 ELSE 2 END, 1, 3, 0, 1, at, at, \
             at + interval '2 s', at + interval '5 s', '{}' \
         FROM generate_series(1, 3) n, (SELECT date_trunc('hour', now()) - interval '2 hours') x (at)";
    let back = "UPDATE walked_until SET at = date_trunc('hour', now()) - interval '2 hours' \
         WHERE chore = 'job_hours'";
    run(rig.db.owner(), ended).await;
    run(rig.db.app(), back).await;
    assert!(chore(&rig, "job_hours").await >= 1);
    let hours = certmill_service::statistics::job_hours(&rig.context, &caller())
        .await
        .unwrap();
    let told: Vec<_> = hours
        .iter()
        .map(|one| (one.result.as_str(), one.jobs, one.waited_s, one.ran_s))
        .collect();
    assert_eq!(
        told,
        [("completed", 2, 4.0, 6.0), ("discarded", 1, 2.0, 3.0)]
    );
    let foreign = certmill_service::statistics::job_hours(&rig.context, &stranger())
        .await
        .unwrap();
    assert!(foreign.is_empty());
}

#[tokio::test]
async fn events_go_after_a_month() {
    let rig = rig().await;
    run(
        rig.db.app(),
        "INSERT INTO event (team_id, topic, object, code, at) \
         SELECT 1, 't', 'o', 'c', now() - (100 - n) * interval '1 day' FROM generate_series(1, 99) n",
    )
    .await;
    let before = count(&rig, "event").await;
    assert_eq!(chore(&rig, "old_events").await, 70);
    assert_eq!(count(&rig, "event").await, before - 70);
}

#[tokio::test]
async fn an_order_whose_job_is_gone_gets_it_again_once() {
    let rig = rig().await;
    request(&rig, "kept.example").await;
    let (_, lost) = request(&rig, "lost.example").await;
    assert_eq!(chore(&rig, "lost_orders").await, 0, "nothing is lost yet");
    run(
        rig.db.app(),
        &format!("DELETE FROM job WHERE id = {}", lost.0),
    )
    .await;
    assert_eq!(count(&rig, "job WHERE kind = 'issue'").await, 1);
    assert_eq!(chore(&rig, "lost_orders").await, 1);
    assert_eq!(count(&rig, "job WHERE kind = 'issue'").await, 2);
    assert_eq!(chore(&rig, "lost_orders").await, 0);
}

#[tokio::test]
async fn a_schedule_shows_what_became_of_its_last_job() {
    let rig = rig().await;
    run(
        rig.db.app(),
        "INSERT INTO schedule (name, period, team_id, queue, kind, first_slot, next_slot, last_job_id) \
         SELECT n, '1 minute', 1, 'internal', 'k', now(), now(), id \
         FROM (VALUES ('ended', 100), ('gone', 101), ('never', NULL)) s (n, id)",
    )
    .await;
    run(
        rig.db.app(),
        "INSERT INTO job_history (id, team_id, queue, kind, priority, outcome, attempt, max_attempts, \
             lost, fence, run_at, created_at, claimed_at, finalized_at, args) \
         VALUES (100, 1, 'internal', 'k', 0, 3, 3, 3, 0, 6, now(), now(), now(), now() + interval '2 s', '{}')",
    )
    .await;
    let shown = cluster::read(&rig.context).await.unwrap().schedules;
    let standing = |name: &str| {
        let row = shown.iter().find(|row| row.name == name).unwrap();
        row.last_job.as_ref().and_then(|job| job.standing)
    };
    assert_eq!(
        standing("ended"),
        Some(certmill_coordination::Standing::Discarded)
    );
    assert_eq!((standing("gone"), standing("never")), (None, None));
    let ended = shown.iter().find(|row| row.name == "ended").unwrap();
    let took = ended.last_job.as_ref().unwrap().took.unwrap();
    assert_eq!(took.as_secs(), 2);
}
