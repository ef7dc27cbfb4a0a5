//! The suite `limiter`: passes of the API's rate limit, beside its statement without a client.
//!
//! Invariant: processes ask through the code that the api runs, and pgbench runs its SQL.

pub mod rows;
mod taker;

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::building;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::{Child, Pgbench, Rig, inlined, private_file};
use crate::say;
use certmill_pg::embedded::{DATABASE, Login};

use taker::{CONNECTIONS, TOOK};
pub use taker::{LimitTaker, take};

/// What the page says of it.
pub const ABOUT: &str = "\
Passes of the rate limit a second, asked for by 1, 2 and 4 processes of four connections each through the code \
that the api runs, under a limit that is not reached. *Hot key* is one key, *100k keys* are drawn at random. \
*One by one* is a limit whose burst is too small for packs, so that each pass is a statement; *packs* take up to 64 \
passes at a time, which hold for 0.1 s. *pgbench* runs the statement of a single pass on as many connections, and \
nothing else; a ratio is to that of the same round.";

const SQL: &str = include_str!("../../../../shared/coordination/src/sql/take.sql");
const KEYS: usize = 100_000;
const LENGTH_MS: usize = 4_000;
const BEYOND: Duration = Duration::from_secs(30);
const PROCESSES: [u32; 3] = [1, 2, 4];

/// What is asked for.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    keys: usize,
    packs: bool,
    wanted: Wanted,
}

const LOADS: [Load; 3] = [
    Load {
        name: "hot key, one by one",
        keys: 1,
        packs: false,
        wanted: Wanted::RatioAtLeast(0.6),
    },
    Load {
        name: "hot key, packs",
        keys: 1,
        packs: true,
        wanted: Wanted::RatioAtLeast(5.0),
    },
    Load {
        name: "100k keys, one by one",
        keys: KEYS,
        packs: false,
        wanted: Wanted::RatioAtLeast(0.6),
    },
];

/// Runs the suite.
///
/// # Errors
/// A process fails, or a pass is denied.
pub async fn run(extent: Extent) -> Result<Vec<Figure>> {
    let pgbench = Pgbench::find();
    let rig = Rig::start(&[]).await?;
    private_file(&rig.path("taker.url"), &rig.login(Login::App, DATABASE))?;
    let ms = extent.share(LENGTH_MS);
    let mut figures = Vec::new();
    for processes in PROCESSES {
        let mut raw: [Vec<f64>; 2] = Default::default();
        let mut ours: [Vec<f64>; LOADS.len()] = Default::default();
        for nth in 0..extent.rounds {
            say::line(&format!(
                "{processes} processes: round {} of {}",
                nth + 1,
                extent.rounds
            ));
            for (reached, keys) in raw.iter_mut().zip([1, KEYS]) {
                if let Some(pgbench) = &pgbench {
                    reached.push(by_pgbench(&rig, pgbench, keys, processes, ms).await?);
                }
            }
            for (reached, load) in ours.iter_mut().zip(LOADS) {
                reached.push(by_processes(&rig, load, processes, ms).await?);
            }
        }
        figures.extend(of(processes, &raw, &ours));
    }
    Ok(figures)
}

/// The figures of one number of processes.
fn of(processes: u32, raw: &[Vec<f64>; 2], ours: &[Vec<f64>; LOADS.len()]) -> Vec<Figure> {
    let connections = processes * CONNECTIONS;
    let peer = format!("pgbench, {connections} connections");
    let mut figures = Vec::new();
    for (name, reached) in ["hot key, one by one", "100k keys, one by one"]
        .iter()
        .zip(raw)
    {
        figures.extend(Figure::of(name, &peer, "passes/s", reached));
    }
    for (load, reached) in LOADS.iter().zip(ours) {
        let beside = &raw[usize::from(load.keys > 1)];
        let subject = format!("{processes} processes");
        let figure = Figure::of(load.name, &subject, "passes/s", reached);
        figures.extend(figure.map(|figure| match beside.is_empty() {
            true => figure,
            false => figure.beside(&peer, reached, beside).wanted(load.wanted),
        }));
    }
    figures
}

async fn by_processes(rig: &Rig, load: Load, processes: u32, ms: usize) -> Result<f64> {
    rows::refill(rig, load.keys).await?;
    let go = rig.path("go");
    std::fs::remove_file(&go).ok();
    let mut args: Vec<String> = vec!["limit-taker".to_owned()];
    let values = [
        ("--url-file", rig.path("taker.url").display().to_string()),
        ("--go", go.display().to_string()),
        ("--ms", ms.to_string()),
        ("--keys", load.keys.to_string()),
    ];
    for (name, value) in values {
        args.extend([name.to_owned(), value]);
    }
    args.extend(load.packs.then(|| "--packs".to_owned()));
    let start = |nth| {
        let log = rig.path(&format!("taker-{nth}.log"));
        Child::start("taker", &building::own()?, &args, &[], &log)
    };
    let mut takers = (0..processes).map(start).collect::<Result<Vec<_>>>()?;
    for taker in &mut takers {
        taker.logged("ready", BEYOND).await?;
    }
    std::fs::write(&go, "")?;
    let mut reached = 0.0;
    for taker in &mut takers {
        taker.ended_well(within(ms)).await?;
        let told = taker.numbers(TOOK, "per_s");
        reached += told.first().context("a taker told nothing")?;
    }
    say::line(&format!("  {}: {reached:.0}/s", load.name));
    Ok(reached)
}

async fn by_pgbench(
    rig: &Rig,
    pgbench: &Pgbench,
    keys: usize,
    processes: u32,
    ms: usize,
) -> Result<f64> {
    rows::refill(rig, keys).await?;
    // Whole seconds, since pgbench knows no others.
    let seconds = ms.div_ceil(1000);
    let args = [
        ("-c", processes * CONNECTIONS),
        ("-j", processes),
        ("-T", u32::try_from(seconds)?),
    ];
    let args: Vec<String> = args
        .iter()
        .flat_map(|(name, value)| [(*name).to_owned(), value.to_string()])
        .collect();
    let mut child = pgbench.start(rig, "take", &script(keys), &args)?;
    child.ended_well(within(ms)).await?;
    let reached = Pgbench::per_second(rig, "take")?;
    say::line(&format!("  pgbench, {keys} keys: {reached:.0}/s"));
    Ok(reached)
}

fn within(ms: usize) -> Duration {
    BEYOND + Duration::from_millis(ms as u64)
}

/// The statement of a single pass, under the limit of the processes.
fn script(keys: usize) -> String {
    let limit = LimitTaker::limit(false);
    let us = |span: Duration| format!("interval '{} us'", span.as_micros());
    let statement = inlined(
        SQL,
        &[
            ("$1", "('k' || (:n)::int)"),
            ("$2", &us(limit.emission_interval)),
            ("$3", &us(limit.window())),
        ],
    );
    format!("\\set n random(0, {})\n{statement};\n", keys - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_and_no_comment_is_left() {
        let script = script(KEYS);
        assert!(!script.contains('$') && !script.contains("--"), "{script}");
        assert!(script.contains("random(0, 99999)") && script.contains("interval '500 us'"));
    }

    #[test]
    fn ratios_are_to_pgbench_on_the_same_keys() {
        let raw = [vec![100.0], vec![50.0]];
        let ours = [vec![60.0], vec![600.0], vec![20.0]];
        let figures = of(2, &raw, &ours);
        let ratios: Vec<_> = figures.iter().filter_map(|figure| figure.ratio).collect();
        assert_eq!(ratios, [0.6, 6.0, 0.4]);
        let held: Vec<_> = figures.iter().filter_map(|figure| figure.holds).collect();
        assert_eq!(held, [true, true, false]);
        assert_eq!(figures[0].subject, "pgbench, 8 connections");
    }
}
