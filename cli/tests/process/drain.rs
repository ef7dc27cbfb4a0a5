//! SIGTERM: each role ends with exit code 0 within its grace, claims nothing any more, gives its
//! leases back; the leadership is handed over within a second.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use certmill_pg::Pool;
use rustix::process::Signal;

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::members::MEMBERS;
use crate::progress::say;
use crate::workload::Workload;

/// The grace of the cluster's settings, and what a process may need beside it.
const ENDS_WITHIN: Duration = Duration::from_secs(12);
/// From the signal to the next leader.
const HAND_OVER_S: f64 = 1.0;

#[tokio::test]
async fn sigterm_drains_each_role() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let delays = [
        ("failpoints.finish_delay_ms_max", "2000"),
        ("failpoints.finish_delay_share", "1"),
    ];
    let mut cluster = Cluster::start(&delays).await;
    let mut workload = Workload::begin(cluster.client().await, 1).await;
    assert_eq!(
        cluster.member("worker-1").niceness(),
        cluster.member("api-1").niceness() + 5,
        "a worker gives way to whom somebody waits for"
    );
    hand_over(&mut cluster).await;
    workload.bulk(40).await;
    wait_for_running(cluster.owner(), "worker-1").await;
    end(&mut cluster, "worker-1").await;
    tokio::join!(workload.request(), end(&mut cluster, "api-1"));
    for (name, _) in MEMBERS.iter().copied() {
        if cluster.is_up(name) {
            end(&mut cluster, name).await;
        }
    }
    let violations = cluster.violations(&workload.history).await;
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!(
        count(cluster.owner(), "rescued").await,
        0,
        "a drained process left jobs to be rescued"
    );
    say(format_args!(
        "drained all roles: {} jobs completed, {} handed back",
        count(cluster.owner(), "completed").await,
        count(cluster.owner(), "released").await
    ));
}

/// Ends the leading scheduler; the other one must lead soon.
async fn hand_over(cluster: &mut Cluster) {
    let deadline = Instant::now() + Duration::from_secs(5);
    let leader = loop {
        if let Some(leader) = cluster.leader().await {
            break leader;
        }
        assert!(Instant::now() < deadline, "nobody leads");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM leader")
        .fetch_one(cluster.owner())
        .await
        .unwrap();
    let asked = end(cluster, leader).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    let took_s: f64 = loop {
        let next: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM started_at - $2)::float8 FROM harness.leader_epochs WHERE epoch = $1 + 1",
        )
        .bind(epoch)
        .bind(asked)
        .fetch_optional(cluster.owner())
        .await
        .unwrap();
        if let Some(took_s) = next {
            break took_s;
        }
        assert!(Instant::now() < deadline, "nobody took over from {leader}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    say(format_args!("leadership was handed over in {took_s:.2} s"));
    assert!(took_s <= HAND_OVER_S, "the hand-over took {took_s:.2} s");
}

/// Sends SIGTERM and waits for a good end; answers when it was asked, by the database's clock.
async fn end(cluster: &mut Cluster, name: &'static str) -> time::OffsetDateTime {
    let asked = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(cluster.owner())
        .await
        .unwrap();
    cluster.signal(name, Signal::TERM);
    // A claim that is under way when the signal comes may still commit.
    sqlx::query(
        "INSERT INTO harness.asked_to_end \
         SELECT id, role, clock_timestamp() + interval '300 ms' FROM process WHERE label = $1 AND dead_at IS NULL",
    )
    .bind(name)
    .execute(cluster.owner())
    .await
    .unwrap();
    let began = Instant::now();
    let status = cluster.end(name, ENDS_WITHIN).await;
    say(format_args!(
        "{name} ended {:.2} s after SIGTERM: {status}",
        began.elapsed().as_secs_f64()
    ));
    asked
}

async fn wait_for_running(owner: &Pool, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let running: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM job j JOIN process p ON p.id = j.worker_id WHERE j.state = 1 AND p.label = $1",
        )
        .bind(name)
        .fetch_one(owner)
        .await
        .unwrap();
        if running > 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{name} has no job");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count(owner: &Pool, ev: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM harness.job_events WHERE ev = $1")
        .bind(ev)
        .fetch_one(owner)
        .await
        .unwrap()
}
