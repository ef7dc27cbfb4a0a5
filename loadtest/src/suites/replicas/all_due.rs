//! All of a large table is due at once, and the lanes of the issuers are done with whatever they get.
//!
//! Invariant: scheduler and sweep are the product's, with a slot of a second; only the jobs that the
//! sweep enqueues do nothing, so that what is measured is the sweep and the queue.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{rows, sweep};
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;
use crate::suites::queue::noop_worker::RAN;
use crate::suites::queue::worker::Worker;

const SETTINGS: [(&str, &str); 1] = [("schedule.renewal_slot_ms", "1000")];
const MANY: usize = 1_000_000;
const LANE: &str = "issue:local";
const JOBS_AT_ONCE: usize = 500;
const LOOK_EVERY: Duration = Duration::from_millis(250);
const THROUGH_WITHIN: Duration = Duration::from_secs(600);

/// Measures it, once.
///
/// # Errors
/// A process fails, or something is left.
pub async fn measure(extent: Extent) -> Result<Vec<Figure>> {
    let mut rig = Rig::start(&SETTINGS).await?;
    // The api is ready once a worker has signed its certificate.
    rig.launch("worker-1", "worker").await?;
    rig.launch("api-1", "api").await?;
    let door = rig.door().await?;
    door.open().await?;
    sweep::issue(&rig, &door, 1).await?;
    rig.stop("worker-1").await?;
    let many = extent.share(MANY);
    say::line(&format!(
        "filling the table up to {many} certificates that are due"
    ));
    let pool = rig.database.pool();
    rows::fill_up(pool, i64::try_from(many)?).await?;
    // The jobs that do nothing leave their orders open, which a chore would see to.
    rows::pause_chores(pool).await?;
    let due = rows::all_fall_due(pool).await?;
    rig.database.settle().await?;
    let before = rows::renewals_ended(pool).await?;
    // Without its key the worker sweeps, and leaves the lane that signs to the one that does nothing.
    std::fs::remove_file(rig.path("keys/ca.kek"))?;
    rig.launch("worker-1", "worker").await?;
    let noop = Worker::of(JOBS_AT_ONCE).instead_of("issue", LANE);
    rig.adopt("noop", noop.start(&rig, 1, usize::try_from(due)?)?)
        .await?;
    let began = Instant::now();
    rig.launch("scheduler-1", "scheduler").await?;
    let (through_s, fullest) = through(&rig, began, before + i64::try_from(due)?).await?;
    let of = "1M certificates due at once";
    let through = Figure::of("all renewals through", of, "s", &[through_s]);
    let fullest = Figure::of("jobs in the lane at the fullest", of, "jobs", &[fullest]);
    let cap = rows::backlog_max(rig.database.pool(), LANE).await?;
    let figures = [
        through.map(|figure| figure.wanted(Wanted::AtMost(150.0))),
        fullest.map(|figure| figure.wanted(Wanted::AtMost(cap))),
    ];
    Ok(figures.into_iter().flatten().collect())
}

/// Seconds until all have ended, and the most that waited at a time.
async fn through(rig: &Rig, began: Instant, all: i64) -> Result<(f64, f64)> {
    let (pool, mut fullest) = (rig.database.pool(), 0);
    while rig.told("noop", RAN, "jobs")?.is_empty() {
        fullest = fullest.max(rows::waiting(pool, LANE).await?);
        ensure!(began.elapsed() < THROUGH_WITHIN, "not all are through");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    rig.database.drained("issue", THROUGH_WITHIN).await?;
    let took = began.elapsed().as_secs_f64();
    let ended = rows::renewals_ended(pool).await?;
    ensure!(ended == all, "{ended} of {all} have ended");
    say::line(&format!(
        "{all} through in {took:.1} s, {fullest} at the fullest"
    ));
    Ok((took, fullest as f64))
}
