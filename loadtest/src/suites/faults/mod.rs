//! The suite `faults`: real processes are harmed while clients ask, and SQL tells what came of it.
//!
//! Invariant: every fault has a site of its own; its seed is printed and replays its choices; nothing
//! leaves loopback; a run that injected nothing fails, and so does a control that is not found out.

mod client;
mod disk;
mod frames;
mod ledger;
mod mode;
mod options;
mod outcome;
mod plays;
mod pooler;
mod proxy;
mod registry;
mod site;
mod stage;
mod standby;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::join_all;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::history::History;
use crate::report::Report;
use crate::rig::{Door, rss_mb};
use crate::{building, say};
use client::{Caller, Patience};
pub use options::Options;
use options::Programs;
use outcome::{MOVES_WITHIN_S, Outcome};
use registry::{Expect, FAULTS, Fault};
pub use site::MEMBERS;
use site::Site;
use stage::{APIS, Stage};

/// Its name on the command line and of its file of figures.
pub const NAME: &str = "faults";

/// What it shows, in Markdown.
pub const ABOUT: &str = "\
Two apis, two workers and two schedulers (a debug build, whose failpoints the controls need) behind a proxy each, \
four clients, and one fault at a time; see [faults](faults.md). Each fault is played once. Clients work on for 2.5 s \
after it is over, so that no time to move is shorter than that.";

const CALLERS: usize = 4;
/// Work before the fault and after its end.
const AROUND: Duration = Duration::from_millis(2500);
/// Longest run of one fault, whatever happens; above all waits that it is made of.
const LIMIT: Duration = Duration::from_secs(400);

/// Plays the faults that the options name, each on a site of its own.
///
/// # Errors
/// A fault did not end as it must; the others were played all the same.
pub async fn run(options: &Options) -> Result<()> {
    let chosen = choose(options)?;
    if options.list {
        for fault in chosen {
            say::out(&format!("{:22} {}", fault.name, fault.about));
        }
        return Ok(());
    }
    let certmill = match &options.certmill {
        Some(program) => program.clone(),
        None => building::binary()?,
    };
    let programs = Programs {
        certmill,
        pgbouncer: options.pgbouncer.clone(),
    };
    let seed = options.seed.unwrap_or_else(rand::random);
    say::line(&format!("seed {seed} (--seed {seed} replays its choices)"));
    let (mut failed, mut figures) = (Vec::new(), Vec::new());
    for fault in chosen {
        if let Some(why) = fault.lacks(&programs) {
            say::line(&format!("LEFT OUT: {}: {why}", fault.name));
            continue;
        }
        let began = Instant::now();
        let length = Duration::from_secs(options.length_s);
        let ended = tokio::time::timeout(LIMIT, play(fault, &programs, seed, length)).await;
        let faults = match ended {
            Ok(Ok((outcome, faults))) => {
                figures.extend(outcome.figures(fault));
                faults
            }
            Ok(Err(error)) => vec![format!("{error:#}")],
            Err(_) => vec![format!("it did not end within {LIMIT:?}")],
        };
        let verdict = if faults.is_empty() { "good" } else { "BAD" };
        let took_s = began.elapsed().as_secs();
        say::out(&format!("{:22} {verdict} ({took_s} s)", fault.name));
        for fault in &faults {
            say::out(&format!("    {fault}"));
        }
        if !faults.is_empty() {
            failed.push(fault.name);
        }
    }
    ensure!(
        failed.is_empty(),
        "bad: {} (seed {seed})",
        failed.join(", ")
    );
    if let Some(path) = &options.json {
        Report::new(NAME, figures)?.write(path)?;
        say::line(&format!("written to {}", path.display()));
    }
    Ok(())
}

fn choose(options: &Options) -> Result<Vec<&'static Fault>> {
    let wanted = |fault: &&Fault| {
        let named = options
            .only
            .as_ref()
            .is_none_or(|part| fault.name.contains(part));
        named && (fault.quick || !options.quick)
    };
    let chosen: Vec<_> = FAULTS.iter().filter(wanted).collect();
    if chosen.is_empty() {
        bail!("there is no such fault; --list shows them all");
    }
    Ok(chosen)
}

/// Plays one fault; what came of it, and what is wrong with that.
async fn play(
    fault: &Fault,
    programs: &Programs,
    seed: u64,
    length: Duration,
) -> Result<(Outcome, Vec<String>)> {
    let site = Site::open(programs, fault.variant).await?;
    let mut doors = Vec::new();
    for name in APIS {
        let door = site.door(name).await?;
        door.open().await?;
        doors.push(door);
    }
    client::add_profile(&client::client(&doors[0], Patience::of(0))?).await?;
    let mut stage = Stage {
        site,
        rng: StdRng::seed_from_u64(seed),
        length,
        healed: Instant::now(),
    };
    let history = History::default();
    let before = sizes(&stage.site);
    let hurt = harm_and_work(fault, &mut stage, &doors, &history, seed).await;
    let judged = match hurt {
        Ok(hurt) => judge(fault, &mut stage, &history, &before, hurt).await,
        Err(error) => Err(error),
    };
    if !matches!(&judged, Ok((_, faults)) if faults.is_empty()) {
        history.write(&stage.site.path("history.ndjson")).ok();
        stage.site.keep();
    }
    judged
}

/// The clients work, and the fault is played meanwhile; how often it hurt.
async fn harm_and_work(
    fault: &Fault,
    stage: &mut Stage,
    doors: &[Door],
    history: &History,
    seed: u64,
) -> Result<u64> {
    let stop = Cell::new(false);
    let callers = (0..CALLERS).map(|nth| {
        let caller = Caller::new(nth, seed, doors, history);
        let stop = &stop;
        async move { caller?.run(stop).await }
    });
    let harm = async {
        tokio::time::sleep(AROUND).await;
        let hurt = (fault.play)(stage).await;
        stage.site.ledger.note_healed().await?;
        stage.healed = Instant::now();
        tokio::time::sleep(AROUND).await;
        stop.set(true);
        hurt
    };
    // A client that finds nonsense ends the run at once.
    let work = async {
        let ended = join_all(callers).await;
        ended.into_iter().collect::<Result<Vec<()>>>()
    };
    let (hurt, _) = tokio::try_join!(
        async {
            let hurt = harm.await;
            stop.set(true);
            hurt
        },
        work
    )?;
    Ok(hurt)
}

async fn judge(
    fault: &Fault,
    stage: &mut Stage,
    history: &History,
    before: &BTreeMap<u32, f64>,
    hurt: u64,
) -> Result<(Outcome, Vec<String>)> {
    let site = &mut stage.site;
    let until = stage.healed + Duration::from_secs_f64(MOVES_WITHIN_S);
    site.ledger.moved(until).await?;
    let moved = stage.healed.elapsed();
    let file = site.path("history.ndjson");
    site.ledger.load(history, &file).await?;
    if fault.expect == Expect::LosesAndReports {
        site.ledger.forget_reported().await?;
    }
    site.require_all().context("after the fault")?;
    let grown = sizes(site)
        .into_iter()
        .filter_map(|(pid, after)| Some(after - before.get(&pid)?));
    let outcome = Outcome {
        hurt,
        tally: site.ledger.tally().await?,
        ok: history.count("ok"),
        fail: history.count("fail"),
        unknown: history.count("unknown"),
        moved_s: moved.as_secs_f64(),
        growth_mb: grown.fold(0.0, f64::max),
        violations: site.ledger.violations().await?,
        bad_lines: site
            .log_lines()
            .into_iter()
            .filter(|line| outcome::is_bad(line))
            .collect(),
    };
    say::line(&format!("{}: {outcome}", fault.name));
    for reason in history.reasons().iter().take(8) {
        let line = reason.lines().next().unwrap_or_default();
        say::line(&format!("    a client was told: {line}"));
    }
    let faults = outcome.faults(fault);
    Ok((outcome, faults))
}

/// Resident memory of each process, by its id: a successor is not compared with who was killed.
fn sizes(site: &Site) -> BTreeMap<u32, f64> {
    let pids = site.pids();
    let size = |pid: &u32| Some((*pid, rss_mb(*pid).ok()?));
    pids.values().filter_map(size).collect()
}
