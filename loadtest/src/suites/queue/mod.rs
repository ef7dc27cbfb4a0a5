//! The suite `queue`: a worker that drains jobs without work, beside the same SQL without a worker.
//!
//! Invariant: both sides drain the same jobs of the same table with the same statements and batch
//! sizes, in turn, and both keep the history.

mod drain;
pub mod noop_worker;
mod pgbench;

use anyhow::Result;

use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;
use drain::Drained;

/// What the page says of it.
pub const ABOUT: &str = "\
A drain of jobs that do nothing: one worker process with the product's runtime, claim, finisher and \
history, and a kind of job that only the load test has. *pgbench* runs the same claim and completion \
statements on the same table with the same batch size and two connections, and nothing else; the \
rounds of the two alternate. `default` is a worker with the default settings, `wide` one that may run \
2,000 jobs at once, so that claims and completions reach the queue's batch of 500 and overlap.";

/// Jobs of one drain.
const JOBS: usize = 200_000;

/// Runs the suite.
///
/// # Errors
/// pgbench is missing, a process fails, or a job is left.
pub async fn run(extent: Extent) -> Result<Vec<Figure>> {
    let pgbench = pgbench::find()?;
    let mut rig = Rig::start(&[]).await?;
    let jobs = extent.share(JOBS);
    drain::declare_lane(&rig).await?;
    let mut peers: [(&str, Vec<Drained>); 3] = [
        ("pgbench", Vec::new()),
        ("wide", Vec::new()),
        ("default", Vec::new()),
    ];
    for nth in 1..=extent.rounds {
        say::line(&format!("round {nth} of {}", extent.rounds));
        for place in 0..peers.len() {
            // Rotated, so that a slow minute does not meet the same peer each time.
            let (peer, drained) = &mut peers[(place + nth as usize) % 3];
            drain::fill(&rig, jobs).await?;
            let one = match *peer {
                "pgbench" => drain::by_pgbench(&rig, &pgbench, jobs).await?,
                "wide" => drain::by_worker(&mut rig, jobs, 2000).await?,
                _ => drain::by_worker(&mut rig, jobs, 50).await?,
            };
            say::line(&format!("  {peer}: {:.0} jobs/s", one.per_second));
            drained.push(one);
        }
    }
    if extent.statements {
        for line in rig.database.dearest_statements().await? {
            say::line(&line);
        }
    }
    let [pgbench, wide, default] = &peers;
    Ok([pgbench, wide, default]
        .into_iter()
        .flat_map(|(peer, drained)| figures(peer, drained, &pgbench.1))
        .collect())
}

fn figures(peer: &str, drained: &[Drained], floor: &[Drained]) -> Vec<Figure> {
    let all = |part: fn(&Drained) -> f64| drained.iter().map(part).collect::<Vec<f64>>();
    let rates = all(|one| one.per_second);
    let floor: Vec<f64> = floor.iter().map(|one| one.per_second).collect();
    let rate = Figure::of("no-op drain", peer, "jobs/s", &rates).map(|figure| match peer {
        "pgbench" => figure,
        "wide" => figure
            .beside("pgbench", &rates, &floor)
            .wanted(Wanted::RatioAtLeast(0.7)),
        _ => figure.beside("pgbench", &rates, &floor),
    });
    let program = if peer == "pgbench" {
        "pgbench"
    } else {
        "worker"
    };
    let cost = [
        Figure::of("WAL a job", peer, "B", &all(|one| one.wal_bytes)),
        Figure::of(
            &format!("CPU a job, {program}"),
            peer,
            "us",
            &all(|one| one.own_us),
        ),
        Figure::of(
            "CPU a job, postgres",
            peer,
            "us",
            &all(|one| one.postgres_us),
        ),
    ];
    let memory: Vec<f64> = drained.iter().filter_map(|one| one.peak_rss_mb).collect();
    let memory = Figure::of("peak resident memory", peer, "MB", &memory);
    rate.into_iter()
        .chain(cost.into_iter().flatten())
        .chain(memory)
        .collect()
}
