//! The test of the test: without the fence, and without the constraints behind it, the same faults
//! must double a completion. If they do not, the other test proves nothing.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use certmill_loadtest::checks;

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::faults::Faults;
use crate::progress::say;
use crate::workload::Workload;

/// A doubled completion must show so soon.
const SHOWS_WITHIN: Duration = Duration::from_secs(80);

#[tokio::test]
async fn without_the_fence_a_completion_is_doubled() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let settings = [
        ("failpoints.finish_delay_ms_max", "3000"),
        ("failpoints.finish_delay_share", "1"),
        ("failpoints.unfenced_finish", "true"),
    ];
    let mut cluster = Cluster::start(&settings).await;
    for constraint in [
        "ALTER TABLE version DROP CONSTRAINT version_generation_unique",
        "ALTER TABLE version DROP CONSTRAINT version_serial_unique",
    ] {
        sqlx::query(constraint)
            .execute(cluster.owner())
            .await
            .unwrap();
    }
    let mut workload = Workload::begin(cluster.client().await, 1).await;
    let owner = cluster.owner().clone();
    let began = Instant::now();
    let mut doubled = 0;
    let mut pauses = 0;
    let mut faults = Faults::new(&mut cluster);
    for name in ["worker-1", "worker-2"].into_iter().cycle() {
        tokio::join!(workload.bulk(40), faults.pause_worker(name));
        pauses += 1;
        // The resumed worker finishes what it holds; its successor may still be at it, too.
        doubled = wait_for_doubles(&owner, Duration::from_secs(6)).await;
        if doubled > 0 || began.elapsed() > SHOWS_WITHIN {
            break;
        }
    }
    say(format_args!(
        "control without the fence: {doubled} doubled completions after {pauses} pauses, {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    assert!(
        doubled > 0,
        "the faults do not show what the fence prevents"
    );
}

async fn wait_for_doubles(owner: &certmill_pg::Pool, patience: Duration) -> usize {
    let began = Instant::now();
    let mut conn = owner.acquire().await.unwrap();
    loop {
        let rows = checks::run(&mut conn, "I2e_one_version_a_generation.sql")
            .await
            .unwrap();
        if !rows.is_empty() || began.elapsed() > patience {
            return rows.len();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
