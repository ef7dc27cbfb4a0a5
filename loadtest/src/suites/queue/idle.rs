//! The part `idle`: what a worker costs while there is nothing to do.
//!
//! Invariant: each is set up as where its latency was measured, so that both are one bargain.

use std::time::Duration;

use anyhow::Result;
use certmill_pg::embedded::{DATABASE, Login};

use super::peers::{Profile, Room};
use super::table;
use super::worker::Worker;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::{Cpu, Rig, peak_rss_mb};
use crate::say;

/// What a worker does at its start is over after this.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
const WATCH: Duration = Duration::from_secs(10);
/// Two whole periods of our poll.
const WATCH_AT_LEAST: Duration = Duration::from_secs(4);

/// Watches each in turn, once.
///
/// # Errors
/// A process fails.
pub async fn run(rig: &mut Rig, rooms: &[Room], extent: Extent) -> Result<Vec<Figure>> {
    let watch = (WATCH * extent.percent / 100).max(WATCH_AT_LEAST);
    say::line("idle");
    table::start_over(rig).await?;
    let worker = Worker::DEFAULT.start(rig, 0, 0)?;
    rig.adopt("noop-0", worker).await?;
    let pid = rig.pid("noop-0")?;
    let ours = watched(rig, pid, (Login::App.user(), DATABASE), watch).await?;
    rig.stop("noop-0").await?;
    let mut figures = shown("certmill", ours);
    for room in rooms {
        room.start_over().await?;
        let worker = room.worker(rig, Profile::Latency, 0).await?;
        let whose = (Login::Owner.user(), room.database.as_str());
        let theirs = watched(rig, worker.pid(), whose, watch).await?;
        figures.extend(shown(room.rival.name, theirs));
    }
    Ok(figures)
}

struct Idle {
    statements_per_second: Option<f64>,
    cpu_percent: f64,
    rss_mb: f64,
}

async fn watched(
    rig: &Rig,
    pid: u32,
    (user, database): (&str, &str),
    watch: Duration,
) -> Result<Idle> {
    tokio::time::sleep(SETTLED_AFTER).await;
    rig.database.forget_statements().await?;
    let cpu = Cpu::of(pid)?;
    tokio::time::sleep(watch).await;
    let cost = rig.database.cost(user, database).await?;
    let seconds = watch.as_secs_f64();
    Ok(Idle {
        statements_per_second: cost.map(|cost| cost.calls / seconds),
        cpu_percent: (Cpu::of(pid)?.0 - cpu.0) / seconds * 100.0,
        rss_mb: peak_rss_mb(pid)?,
    })
}

fn shown(name: &str, idle: Idle) -> Vec<Figure> {
    let statements: Vec<f64> = idle.statements_per_second.into_iter().collect();
    let statements = Figure::of(
        "statements of an idle worker",
        name,
        "statements/s",
        &statements,
    );
    let statements = statements.map(|figure| match name {
        "certmill" => figure.wanted(Wanted::AtMost(1.0)),
        _ => figure,
    });
    let rest = [
        Figure::of(
            "CPU of an idle worker",
            name,
            "% of a core",
            &[idle.cpu_percent],
        ),
        Figure::of(
            "resident memory of an idle worker",
            name,
            "MB",
            &[idle.rss_mb],
        ),
    ];
    statements
        .into_iter()
        .chain(rest.into_iter().flatten())
        .collect()
}
