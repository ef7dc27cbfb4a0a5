//! The part `latency`: from just before a job is enqueued to the start of its handler, at a rate
//! that leaves all idle.
//!
//! Invariant: client and worker are different processes that read the same clock; every job that
//! was enqueued is counted.

use std::time::Duration;

use anyhow::{Result, ensure};
use certmill_pg::embedded::{DATABASE, Login};
use certmill_pg::{ConnectOptions, connect};
use certmill_queue::{Hinter, NewJob, TeamId, enqueue};
use certmill_tasks::{Shutdown, Tasks};
use certmill_telemetry::clock;
use serde_json::json;
use tokio::time::Instant;

use super::noop_worker::{self, KIND};
use super::peers::{Profile, Room};
use super::table;
use super::worker::Worker;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;
use crate::statistics::percentile;

const PER_SECOND: usize = 50;
const SECONDS: usize = 12;
/// A worker's first look at its tables is over after this.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// Percentiles that are shown, with what is wanted of ours in milliseconds.
const SHOWN: [(&str, f64, f64); 2] = [("p50", 0.5, 6.0), ("p99", 0.99, 15.0)];

/// Measures all in rotated rounds.
///
/// # Errors
/// A process fails, or a job did not start.
pub async fn run(rig: &mut Rig, rooms: &[Room], extent: Extent) -> Result<Vec<Figure>> {
    let jobs = extent.share(PER_SECOND * SECONDS);
    let mut waits: Vec<Vec<Vec<f64>>> = vec![Vec::new(); rooms.len() + 1];
    for nth in 0..extent.rounds as usize {
        say::line(&format!("latency: round {} of {}", nth + 1, extent.rounds));
        for place in 0..waits.len() {
            let at = (place + nth) % waits.len();
            let (name, ms) = match at.checked_sub(1).map(|at| &rooms[at]) {
                None => ("certmill", ours(rig, jobs).await?),
                Some(room) => (room.rival.name, theirs(rig, room, jobs).await?),
            };
            ensure!(
                ms.len() == jobs,
                "{name}: of {jobs} jobs {} started",
                ms.len()
            );
            let p50 = percentile(&ms, 0.5).unwrap_or_default();
            say::line(&format!("  {name}: p50 {p50:.1} ms"));
            waits[at].push(ms);
        }
    }
    let names = std::iter::once("certmill").chain(rooms.iter().map(|room| room.rival.name));
    let figures = names
        .zip(&waits)
        .flat_map(|(name, rounds)| shown(name, rounds));
    Ok(figures.collect())
}

async fn ours(rig: &mut Rig, jobs: usize) -> Result<Vec<f64>> {
    table::start_over(rig).await?;
    let worker = Worker::DEFAULT.telling_starts().start(rig, 0, 0)?;
    rig.adopt("noop-0", worker).await?;
    tokio::time::sleep(SETTLED_AFTER).await;
    let login = rig.login(Login::App, DATABASE);
    let pool = connect(&login, ConnectOptions::new("api").max_connections(2)).await?;
    let tasks = Tasks::new(Shutdown::new());
    let hinter = Hinter::start(&tasks, pool.clone());
    let mut connection = pool.acquire().await?;
    let began = Instant::now();
    for n in 0..jobs {
        let due = Duration::from_secs_f64(n as f64 / PER_SECOND as f64);
        tokio::time::sleep_until(began + due).await;
        let args = json!({ "n": n, "us": clock::now_utc().unix_timestamp_nanos() as i64 / 1000 });
        let job = NewJob::new(TeamId::DEFAULT, KIND, KIND, args);
        enqueue(&mut connection, &job).await?;
        hinter.hint(KIND);
    }
    rig.database.drained(KIND, DRAIN_WITHIN).await?;
    tasks.shutdown(DRAIN_WITHIN).await;
    let told = rig.told("noop-0", noop_worker::STARTED, "us")?;
    rig.stop("noop-0").await?;
    table::all_kept(rig, jobs).await?;
    Ok(told.into_iter().map(|us| us / 1e3).collect())
}

async fn theirs(rig: &Rig, room: &Room, jobs: usize) -> Result<Vec<f64>> {
    room.start_over().await?;
    let mut worker = room.worker(rig, Profile::Latency, jobs).await?;
    tokio::time::sleep(SETTLED_AFTER).await;
    room.pace(rig, jobs, PER_SECOND).await?;
    worker.logged("ran", DRAIN_WITHIN).await?;
    let told = worker.numbers(noop_worker::STARTED, "us");
    Ok(told.into_iter().map(|us| us / 1e3).collect())
}

fn shown(name: &str, rounds: &[Vec<f64>]) -> Vec<Figure> {
    let figure = |(word, share, most): (&str, f64, f64)| {
        let values: Vec<f64> = rounds
            .iter()
            .filter_map(|ms| percentile(ms, share))
            .collect();
        let what = format!("enqueue to start at {PER_SECOND}/s, {word}");
        let figure = Figure::of(&what, name, "ms", &values)?;
        Some(match name {
            "certmill" => figure.wanted(Wanted::AtMost(most)),
            _ => figure,
        })
    };
    SHOWN.into_iter().filter_map(figure).collect()
}
