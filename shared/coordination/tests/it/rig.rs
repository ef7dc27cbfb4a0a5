//! What the tests of coordination share.

pub use certmill_testkit::{PATIENCE, until};
use std::time::Duration;

use certmill_coordination::{Candidate, Schedule, Term, leader, schedule};
use certmill_testkit::TestDb;
use serde_json::json;
use uuid::Uuid;

pub fn candidate(label: &str, lease: Duration) -> Candidate {
    Candidate {
        name: "scheduler".into(),
        holder: Uuid::new_v4(),
        label: label.into(),
        lease,
    }
}

pub async fn term(db: &TestDb) -> Term {
    let candidate = candidate("a", Duration::from_secs(30));
    leader::acquire(db.app(), &candidate)
        .await
        .unwrap()
        .unwrap()
}

/// As if the lease had run out by the database's clock.
pub async fn expire(db: &TestDb) {
    sqlx::query("UPDATE leader SET expires_at = now() - interval '1 s'")
        .execute(db.app())
        .await
        .unwrap();
}

pub async fn declare(db: &TestDb, name: &str, period_s: u64) {
    let schedule = Schedule {
        name: name.into(),
        period: Duration::from_secs(period_s),
        team_id: 1,
        queue: "sweep".into(),
        kind: "sweep".into(),
        priority: 1,
        max_attempts: 3,
        args: json!({ "of": name }),
    };
    schedule::declare(db.app(), &schedule).await.unwrap();
}

/// As if the schedule had been declared, and not ticked since, `slots` periods ago.
pub async fn age(db: &TestDb, name: &str, slots: i32) {
    sqlx::query(
        "UPDATE schedule SET next_slot = next_slot - $2 * period, first_slot = first_slot - $2 * period \
         WHERE name = $1",
    )
    .bind(name)
    .bind(slots)
    .execute(db.app())
    .await
    .unwrap();
}

/// As if its last job had ended.
pub async fn end_jobs(db: &TestDb) {
    sqlx::query("DELETE FROM job")
        .execute(db.app())
        .await
        .unwrap();
}

pub async fn count(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(db.app()).await.unwrap()
}

/// Waits until some session waits for a lock.
pub async fn until_somebody_is_blocked(db: &TestDb) {
    until(|| async move {
        count(
            db,
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
            > 0
    })
    .await;
}
