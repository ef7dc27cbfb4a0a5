//! Issue and renew under faults; then nothing may be lost, doubled or expired.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use certmill_loadtest::checks;
use certmill_loadtest::history::load_ca_ledger;
use certmill_pg::Pool;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::far::{FAR, far, orders};
use crate::faults::{Done, Faults};
use crate::members::{MANY_MEMBERS, MEMBERS};
use crate::progress::{report, say, tally};
use crate::seed::{is_full, length, seed};
use crate::workload::Workload;

/// Everything due must have moved so soon after the last fault.
const MOVES_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn nothing_is_lost_doubled_or_expired_while_processes_die() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (seed, length) = (seed(), length());
    let delays = [
        ("failpoints.finish_delay_ms_max", "3000"),
        ("failpoints.finish_delay_share", "0.67"),
    ];
    let members = if is_full() { MANY_MEMBERS } else { MEMBERS };
    let mut cluster = Cluster::start_with(members, &delays).await;
    let ca = far(&cluster).await;
    let mut workload = Workload::begin(cluster.client().await, seed).await;
    workload.beside = Some(FAR);
    say(format_args!(
        "cluster is up; faults for {} s",
        length.as_secs()
    ));
    let done = harm_and_work(&mut cluster, &mut workload, seed, length).await;
    let moved = wait_until_moved(&cluster).await;
    load_ca_ledger(&ca.ledger(), cluster.owner()).await.unwrap();
    let violations = cluster.violations(&workload.history).await;
    let (ordered, finalized) = orders(&ca);
    say(format_args!(
        "the CA made {ordered} orders, {finalized} were finalized, {} were not; {} times all sessions were ended",
        ordered - finalized,
        done.disconnects
    ));
    let now = tally(cluster.owner()).await;
    let (refusals, changes) = (cluster.logged("fence_refused"), now.terms - 1);
    say(format_args!(
        "{} kills, {} pauses ({} of them hit the leader), {} rescues, {refusals} fence refusals, {changes} leader \
         changes, {} certificates, {} versions (closest renewal {:.0} s before the end), {} ticks, {} skips, {} acknowledged, {} refused, {} unknown, all moved \
         {:.1} s after the last fault, {} violations (seed {seed})",
        done.kills,
        done.pauses,
        done.leader_faults,
        now.rescues,
        now.certificates,
        now.versions,
        now.closest_s.unwrap_or_default(),
        now.ticks,
        now.skips,
        workload.history.count("ok"),
        workload.history.count("fail"),
        workload.history.count("unknown"),
        moved.as_secs_f64(),
        violations.len(),
    ));
    say(format_args!(
        "refused or unknown: {:?}",
        workload.history.reasons()
    ));
    for (name, rows) in &violations {
        say(format_args!("VIOLATION {name}: {} rows", rows.len()));
        rows.iter().for_each(|row| say(format_args!("    {row}")));
    }
    assert!(
        violations.is_empty(),
        "violated: {:?} (seed {seed})",
        violations.iter().map(|v| &v.0).collect::<Vec<_>>()
    );
    assert!(
        now.rescues > 0 && refusals > 0 && changes > 0,
        "the run injected nothing: {} rescues, {refusals} fence refusals, {changes} leader changes",
        now.rescues
    );
    assert!(
        workload.history.count("ok") >= 60,
        "too little was asked for"
    );
    assert!(now.versions > now.certificates, "nothing was renewed");
    assert!(finalized >= 20, "the CA was hardly asked");
    assert_eq!(cluster.logged("panic"), 0, "a process panicked");
}

async fn harm_and_work(
    cluster: &mut Cluster,
    workload: &mut Workload,
    seed: u64,
    length: Duration,
) -> Done {
    let owner = cluster.owner().clone();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut faults = Faults::new(cluster);
    let both = async { tokio::join!(faults.run(&mut rng, length), workload.run(length)) };
    tokio::select! {
        _ = both => {}
        () = report(owner.clone()) => {}
    }
    heal(&owner).await;
    faults.done
}

/// Notes that nothing is harmed any more.
pub async fn heal(owner: &Pool) {
    sqlx::query("INSERT INTO harness.phase VALUES ('healed', clock_timestamp())")
        .execute(owner)
        .await
        .unwrap();
}

/// Until nothing is left that was due when the last fault ended, at most [`MOVES_WITHIN`]; the
/// checker itself says afterwards what did not move.
pub async fn wait_until_moved(cluster: &Cluster) -> Duration {
    let began = Instant::now();
    let mut conn = cluster.owner().acquire().await.unwrap();
    while began.elapsed() < MOVES_WITHIN {
        if checks::run(&mut conn, "I20a_all_moved_since_the_last_fault.sql")
            .await
            .unwrap()
            .is_empty()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    began.elapsed()
}
