//! The suite `queue`: our queue beside other people's, and beside its own SQL without a worker.
//!
//! Invariant: all of them meet the same Postgres in turn, with the same jobs without work, and
//! whoever keeps a history keeps it here.

pub mod backlog;
mod drain;
mod drain_figures;
mod enqueue;
mod idle;
mod latency;
mod meter;
pub mod noop_worker;
mod peers;
mod pgbench;
mod pinned;
mod rescue;
pub mod table;
pub mod worker;

use anyhow::{Result, ensure};

use crate::args::Selection;
use crate::figure::Figure;
use crate::registry::Extent;
use crate::rig::{Pgbench, Rig};
use crate::say;

/// What the page says of it.
pub const ABOUT: &str = "\
Jobs that do nothing, on one Postgres, in rounds in which all subjects take their turn. `wide` and \
`default` are one worker process with the product's runtime, claim, finisher and history and a kind of job \
that only the load test has: `default` with the default settings, `wide` with up to 2,000 jobs at once. \
*pgbench* runs the same claim and completion on the same table with the same batch size and two \
connections, and nothing else. The others are [rivals](rivals.md), each tuned, in a database of its own. \
A ratio is the median of the quotients of each round.";

/// The parts, in the order in which they run.
const PARTS: [&str; 7] = [
    "drain", "enqueue", "latency", "idle", "pinned", "backlog", "rescue",
];

/// Runs the suite.
///
/// # Errors
/// A process fails, a job is left, or there is no such part or rival.
pub async fn run(extent: Extent, selection: Selection) -> Result<Vec<Figure>> {
    for part in &selection.only {
        ensure!(
            PARTS.contains(&part.as_str()),
            "there is no part `{part}`; there are {}",
            PARTS.join(", ")
        );
    }
    let pgbench = selection
        .wants_peer("pgbench")
        .then(Pgbench::find)
        .flatten();
    let mut rig = Rig::start(&[]).await?;
    table::declare_lane(&rig).await?;
    let rooms = peers::open(&rig, &selection).await?;
    let mut figures = Vec::new();
    for part in PARTS {
        if !selection.wants_part(part) {
            continue;
        }
        figures.extend(match part {
            "drain" => drain::run(&mut rig, pgbench.as_ref(), &rooms, extent).await?,
            "enqueue" => enqueue::run(&rig, &rooms, extent).await?,
            "latency" => latency::run(&mut rig, &rooms, extent).await?,
            "idle" => idle::run(&mut rig, &rooms, extent).await?,
            "pinned" => pinned::run(&mut rig, extent).await?,
            "backlog" => backlog::run(&rig, extent).await?,
            _ => rescue::run(&mut rig, extent).await?,
        });
    }
    if extent.statements {
        for line in rig.database.dearest_statements().await? {
            say::line(&line);
        }
    }
    Ok(figures)
}
