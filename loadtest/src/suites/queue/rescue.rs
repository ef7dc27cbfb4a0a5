//! The part `rescue`: one of two workers is killed, and the other gets its jobs.
//!
//! Invariant: all that a job shall write is written one time, or the measurement fails.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::noop_worker::KIND;
use super::table;
use super::worker::Worker;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;

const JOBS: usize = 1_000;
/// Long enough that the killed worker always has jobs in hand.
const WORK: Duration = Duration::from_millis(500);
const KILL_AFTER: Duration = Duration::from_secs(2);
const RESCUED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Kills once, with the default settings.
///
/// # Errors
/// A job is lost, was completed twice or wrote twice, or is not rescued at all.
pub async fn run(rig: &mut Rig, extent: Extent) -> Result<Vec<Figure>> {
    say::line("rescue");
    // Fewer would be done before one worker is killed.
    let jobs = extent.share(JOBS).max(600);
    table::declare_effects(rig).await?;
    table::fill(rig, jobs).await?;
    let worker = Worker::DEFAULT.working(WORK).with_effects();
    let victim = worker.start(rig, 0, 0)?;
    rig.adopt("noop-0", victim).await?;
    let victim = running(rig).await?;
    let heir = worker.start(rig, 1, 0)?;
    rig.adopt("noop-1", heir).await?;
    tokio::time::sleep(KILL_AFTER).await;
    rig.kill("noop-0")?;
    let killed = Instant::now();
    let held = table::running_at(rig, victim).await?;
    ensure!(held > 0, "the killed worker had no job");
    while table::running_at(rig, victim).await? > 0 {
        if killed.elapsed() > RESCUED_WITHIN {
            bail!("the jobs of the killed worker are not rescued");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let rescued = killed.elapsed().as_secs_f64();
    rig.database.drained(KIND, RESCUED_WITHIN).await?;
    rig.stop("noop-1").await?;
    table::all_kept(rig, jobs).await?;
    let doubled = table::doubled(rig, jobs).await?;
    say::line(&format!("  {held} jobs rescued after {rescued:.1} s"));
    let rows = [
        Figure::of(
            "kill -9 to rescue of all its jobs",
            "certmill",
            "s",
            &[rescued],
        )
        .map(|figure| figure.wanted(Wanted::AtMost(60.0))),
        Figure::of(
            "jobs in hand when killed",
            "certmill",
            "jobs",
            &[held as f64],
        ),
        Figure::of(
            "lost, completed twice or with doubled effects",
            "certmill",
            "jobs",
            &[doubled as f64],
        )
        .map(|figure| figure.wanted(Wanted::AtMost(0.0))),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// The process that has jobs in hand.
async fn running(rig: &Rig) -> Result<i64> {
    let deadline = Instant::now() + RESCUED_WITHIN;
    while Instant::now() < deadline {
        if let Some(process) = table::runner(rig).await? {
            return Ok(process);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None.context("no worker took a job")
}
