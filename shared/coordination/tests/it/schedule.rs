//! Every slot has one row: a tick with its job, or a skip.

use std::time::Duration;

use certmill_coordination::schedule::{declare as declare_schedule, due, prune, tick};
use certmill_coordination::{Error, Schedule, Ticked};
use certmill_testkit::TestDb;
use sqlx::Connection;

use crate::rig::*;

const GAPS: &str = "SELECT count(*) FROM schedule s, \
     generate_series(s.first_slot, s.next_slot - s.period, s.period) g \
     WHERE NOT EXISTS (SELECT 1 FROM schedule_tick t WHERE t.schedule = s.name AND t.slot = g)";
const STRAY: &str = "SELECT count(*) FROM schedule_tick t JOIN schedule s ON s.name = t.schedule \
     WHERE t.slot < s.first_slot OR t.slot >= s.next_slot \
        OR extract(epoch FROM t.slot)::numeric % extract(epoch FROM s.period)::numeric <> 0";

async fn assert_grid(db: &TestDb) {
    assert_eq!(
        (count(db, GAPS).await, count(db, STRAY).await),
        (0, 0),
        "(gaps, strays)"
    );
}

#[tokio::test]
async fn a_slot_is_due_after_its_share_of_a_tenth_and_emitted_once() {
    let db = TestDb::new().await;
    declare(&db, "s", 3600).await;
    let term = term(&db).await;
    assert!(due(db.app()).await.unwrap().slots.is_empty());
    assert!(due(db.app()).await.unwrap().next_in.unwrap() <= Duration::from_secs(2 * 3600));
    age(&db, "s", 2).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    let Ticked::Emitted { job_id, .. } = tick(db.app(), &term, &slot).await.unwrap() else {
        panic!("emitted")
    };
    assert_eq!(tick(db.app(), &term, &slot).await.unwrap(), Ticked::Taken);
    assert!(due(db.app()).await.unwrap().slots.is_empty());
    let (queue, args, object): (String, serde_json::Value, String) =
        sqlx::query_as("SELECT queue, args, object FROM job WHERE id = $1")
            .bind(job_id)
            .fetch_one(db.app())
            .await
            .unwrap();
    assert_eq!(
        (queue.as_str(), args["of"].as_str(), object.as_str()),
        ("sweep", Some("s"), "schedule:s")
    );
    assert_grid(&db).await;
    let early = "SELECT count(*) FROM generate_series(1, 200) n, \
        LATERAL (SELECT slot_due_at('x' || n, now(), interval '10 s') - now() AS share) d \
        WHERE share < interval '0' OR share > interval '1 s'";
    assert_eq!(count(&db, early).await, 0);
}

#[tokio::test]
async fn after_a_downtime_the_newest_slot_runs_and_the_others_are_skipped_in_steps() {
    let db = TestDb::new().await;
    declare(&db, "s", 1).await;
    age(&db, "s", 2500).await;
    let term = term(&db).await;
    let mut steps = Vec::new();
    loop {
        let slot = due(db.app()).await.unwrap().slots.remove(0);
        let ticked = tick(db.app(), &term, &slot).await.unwrap();
        let done = matches!(ticked, Ticked::Emitted { .. });
        steps.push(ticked);
        if done {
            break;
        }
    }
    assert_eq!(
        steps[..2],
        [
            Ticked::Skipped {
                slots: 1000,
                more: true
            },
            Ticked::Skipped {
                slots: 1000,
                more: true
            }
        ]
    );
    assert_eq!(steps.len(), 3);
    assert_eq!(count(&db, "SELECT count(*) FROM job").await, 1);
    assert_eq!(
        count(&db, "SELECT count(*) FROM schedule_tick WHERE NOT skipped").await,
        1
    );
    assert_grid(&db).await;
}

#[tokio::test]
async fn a_slot_whose_last_job_still_lives_is_skipped() {
    let db = TestDb::new().await;
    declare(&db, "s", 3600).await;
    let term = term(&db).await;
    age(&db, "s", 2).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    assert!(matches!(
        tick(db.app(), &term, &slot).await.unwrap(),
        Ticked::Emitted { .. }
    ));
    age_and_shift_ticks(&db).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    let skipped = tick(db.app(), &term, &slot).await.unwrap();
    assert_eq!(
        skipped,
        Ticked::Skipped {
            slots: 1,
            more: false
        }
    );
    end_jobs(&db).await;
    age_and_shift_ticks(&db).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    assert!(matches!(
        tick(db.app(), &term, &slot).await.unwrap(),
        Ticked::Emitted { skipped: 0, .. }
    ));
    assert_grid(&db).await;
}

/// As if one more period had gone by.
async fn age_and_shift_ticks(db: &TestDb) {
    age(db, "s", 1).await;
    sqlx::query("UPDATE schedule_tick SET slot = slot - interval '3600 s'")
        .execute(db.app())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stale_epoch_cannot_tick() {
    let db = TestDb::new().await;
    declare(&db, "s", 1).await;
    age(&db, "s", 5).await;
    let old = term(&db).await;
    expire(&db).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    assert_eq!(
        tick(db.app(), &old, &slot).await.unwrap(),
        Ticked::NotLeader,
        "expired"
    );
    let new = term(&db).await;
    assert!(old.is_held(), "by its own clock it still leads");
    assert_eq!(
        tick(db.app(), &old, &slot).await.unwrap(),
        Ticked::NotLeader,
        "superseded"
    );
    sqlx::query("UPDATE leader SET holder = gen_random_uuid()")
        .execute(db.app())
        .await
        .unwrap();
    assert_eq!(
        tick(db.app(), &new, &slot).await.unwrap(),
        Ticked::NotLeader,
        "other holder"
    );
    assert_eq!(count(&db, "SELECT count(*) FROM schedule_tick").await, 0);
    assert_eq!(count(&db, "SELECT count(*) FROM job").await, 0);
}

#[tokio::test]
async fn a_take_over_that_meets_a_tick_lets_it_end_first() {
    let db = TestDb::new().await;
    declare(&db, "s", 3600).await;
    age(&db, "s", 2).await;
    let old = term(&db).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    // The take-over is half done: the tick waits for it and then finds its own epoch gone.
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    sqlx::query("UPDATE leader SET epoch = epoch + 1, holder = gen_random_uuid()")
        .execute(&mut *tx)
        .await
        .unwrap();
    let (ticked, ()) = tokio::join!(tick(db.app(), &old, &slot), async {
        until_somebody_is_blocked(&db).await;
        tx.commit().await.unwrap();
    });
    assert_eq!(ticked.unwrap(), Ticked::NotLeader);
    assert_eq!(count(&db, "SELECT count(*) FROM schedule_tick").await, 0);
}

#[tokio::test]
async fn two_ticks_of_one_slot_meet_and_one_wins() {
    let db = TestDb::new().await;
    declare(&db, "s", 3600).await;
    age(&db, "s", 2).await;
    let term = term(&db).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM schedule FOR UPDATE")
        .execute(&mut *tx)
        .await
        .unwrap();
    let (first, second, ()) = tokio::join!(
        tick(db.app(), &term, &slot),
        tick(db.app(), &term, &slot),
        async {
            until_somebody_is_blocked(&db).await;
            tx.commit().await.unwrap();
        }
    );
    let answers = [first.unwrap(), second.unwrap()];
    assert!(answers.contains(&Ticked::Taken), "{answers:?}");
    assert_eq!(count(&db, "SELECT count(*) FROM job").await, 1);
    assert_grid(&db).await;
}

#[tokio::test]
async fn declaring_again_changes_nothing_and_another_period_begins_anew() {
    let db = TestDb::new().await;
    declare(&db, "s", 3600).await;
    let version = "SELECT xmin::text::bigint FROM schedule";
    let before = count(&db, version).await;
    declare(&db, "s", 3600).await;
    assert_eq!(count(&db, version).await, before);
    declare(&db, "s", 60).await;
    assert_ne!(count(&db, version).await, before);
    let near = "SELECT count(*) FROM schedule WHERE first_slot = next_slot OR next_slot > now()";
    assert_eq!(count(&db, near).await, 1);
    let hasty = Schedule {
        name: "h".into(),
        period: Duration::from_millis(10),
        team_id: 1,
        queue: "q".into(),
        kind: "k".into(),
        priority: 2,
        max_attempts: 1,
        args: serde_json::json!({}),
    };
    assert!(matches!(
        declare_schedule(db.app(), &hasty).await,
        Err(Error::Period { .. })
    ));
}

#[tokio::test]
async fn pruning_moves_the_beginning_with_it() {
    let db = TestDb::new().await;
    declare(&db, "s", 1).await;
    age(&db, "s", 300).await;
    let term = term(&db).await;
    let slot = due(db.app()).await.unwrap().slots.remove(0);
    tick(db.app(), &term, &slot).await.unwrap();
    let removed = prune(db.app(), &term, Duration::from_secs(100))
        .await
        .unwrap();
    assert!((195..=205).contains(&removed), "{removed}");
    assert_grid(&db).await;
    expire(&db).await;
    assert_eq!(prune(db.app(), &term, Duration::ZERO).await.unwrap(), 0);
}
