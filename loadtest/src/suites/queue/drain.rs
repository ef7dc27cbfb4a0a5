//! The part `drain`: a full table is emptied by each subject in turn.
//!
//! Invariant: the clock runs from when the first process is there until no live job is left.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use certmill_pg::embedded::{DATABASE, Login};

use super::meter::{Drained, Meter, Whose};
use super::noop_worker::{self, KIND};
use super::peers::{Profile, Room};
use super::worker::Worker;
use super::{drain_figures, pgbench, table};
use crate::figure::Figure;
use crate::registry::Extent;
use crate::rig::{Cpu, Pgbench, Rig, peak_rss_mb};
use crate::say;

/// Jobs of one drain.
const JOBS: usize = 100_000;
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(120);
/// The queue's own largest claim.
const BATCH: usize = 500;
/// A worker claims on one connection and completes on another.
const CONNECTIONS: usize = 2;
/// How long a worker without work is watched until its memory stands for an idle one's.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// Who drains.
pub enum Subject<'a> {
    /// The same statements without a worker.
    Pgbench(Pgbench),
    /// Processes of ours.
    Workers(&'static str, Worker, usize),
    /// Somebody else's queue.
    Rival(&'a Room),
}

impl Subject<'_> {
    /// What the figures call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pgbench(_) => "pgbench",
            Self::Workers(name, ..) => name,
            Self::Rival(room) => room.rival.name,
        }
    }
}

/// Measures all subjects in rotated rounds.
///
/// # Errors
/// A process fails, or a job is left.
pub async fn run(
    rig: &mut Rig,
    pgbench: Option<&Pgbench>,
    rooms: &[Room],
    extent: Extent,
) -> Result<Vec<Figure>> {
    let jobs = extent.share(JOBS);
    let mut subjects: Vec<Subject<'_>> = vec![
        Subject::Workers("wide", Worker::WIDE, 1),
        Subject::Workers("default", Worker::DEFAULT, 1),
        Subject::Workers("wide, 3 processes", Worker::WIDE, 3),
    ];
    subjects.extend(pgbench.cloned().map(Subject::Pgbench));
    subjects.extend(rooms.iter().map(Subject::Rival));
    let idle = idle_rss_mb(rig).await?;
    let mut drained: Vec<Vec<Drained>> = vec![Vec::new(); subjects.len()];
    for nth in 0..extent.rounds as usize {
        say::line(&format!("drain: round {} of {}", nth + 1, extent.rounds));
        for place in 0..subjects.len() {
            // Rotated, so that a slow minute does not meet the same subject each time.
            let at = (place + nth) % subjects.len();
            let one = once(rig, &subjects[at], jobs).await?;
            say::line(&format!(
                "  {}: {:.0} jobs/s",
                subjects[at].name(),
                one.per_second
            ));
            drained[at].push(one);
        }
    }
    let all: Vec<(&Subject<'_>, Vec<Drained>)> = subjects.iter().zip(drained).collect();
    Ok(drain_figures::of(&all, idle))
}

async fn once(rig: &mut Rig, subject: &Subject<'_>, jobs: usize) -> Result<Drained> {
    match subject {
        Subject::Pgbench(program) => {
            table::fill(rig, jobs).await?;
            by_pgbench(rig, program, jobs).await
        }
        Subject::Workers(_, worker, processes) => {
            table::fill(rig, jobs).await?;
            by_workers(rig, *worker, *processes, jobs).await
        }
        Subject::Rival(room) => {
            room.fill(rig, jobs).await?;
            by_rival(rig, room, jobs).await
        }
    }
}

async fn idle_rss_mb(rig: &mut Rig) -> Result<f64> {
    let worker = Worker::WIDE.start(rig, 0, 0)?;
    rig.adopt("idle", worker).await?;
    tokio::time::sleep(SETTLED_AFTER).await;
    let idle = peak_rss_mb(rig.pid("idle")?)?;
    rig.stop("idle").await?;
    Ok(idle)
}

/// Lets workers of ours drain what is in the table.
///
/// # Errors
/// One fails, or jobs are left.
pub async fn by_workers(
    rig: &mut Rig,
    worker: Worker,
    processes: usize,
    jobs: usize,
) -> Result<Drained> {
    let meter = Meter::start(rig).await?;
    let started = (0..processes)
        .map(|nth| Ok((format!("noop-{nth}"), worker.start(rig, nth, jobs)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut names = Vec::new();
    let mut start = None;
    for (name, child) in started {
        rig.adopt(&name, child).await?;
        start.get_or_insert_with(Instant::now);
        names.push(name);
    }
    let start = start.context("no process was asked for")?;
    if let [only] = names.as_slice() {
        // Looking into the table meanwhile would cost most where dead rows have to stay.
        rig.heard(only, noop_worker::RAN, DRAIN_WITHIN).await?;
    }
    rig.database.drained(KIND, DRAIN_WITHIN).await?;
    let took = start.elapsed();
    let whose = Whose {
        user: Login::App.user(),
        database: DATABASE,
    };
    let mut drained = meter.read(rig, whose, took, jobs).await?;
    for name in &names {
        let pid = rig.pid(name)?;
        drained.own_us += Cpu::of(pid)?.us_each(Cpu(0.0), jobs);
        let rss = peak_rss_mb(pid)?;
        drained.peak_rss_mb = Some(drained.peak_rss_mb.map_or(rss, |most| most.max(rss)));
    }
    for name in &names {
        rig.stop(name).await?;
    }
    table::all_kept(rig, jobs).await?;
    Ok(drained)
}

/// Lets a rival drain; it is killed at the end, since its own end is not what is measured.
async fn by_rival(rig: &Rig, room: &Room, jobs: usize) -> Result<Drained> {
    let meter = Meter::start(rig).await?;
    let mut worker = room.worker(rig, Profile::Drain, jobs).await?;
    let start = Instant::now();
    worker.logged("ran", DRAIN_WITHIN).await?;
    room.drained(DRAIN_WITHIN).await?;
    let took = start.elapsed();
    let whose = Whose {
        user: Login::Owner.user(),
        database: &room.database,
    };
    let mut drained = meter.read(rig, whose, took, jobs).await?;
    drained.own_us = Cpu::of(worker.pid())?.us_each(Cpu(0.0), jobs);
    drained.peak_rss_mb = Some(peak_rss_mb(worker.pid())?);
    Ok(drained)
}

/// Lets pgbench drain.
async fn by_pgbench(rig: &Rig, program: &Pgbench, jobs: usize) -> Result<Drained> {
    let process = table::process_for_pgbench(rig).await?;
    let script = pgbench::script(KIND, process, BATCH);
    // One look more than needed for each connection, as a worker looks once more, too.
    let calls = jobs.div_ceil(BATCH * CONNECTIONS) + 1;
    let mut args: Vec<String> = ["-j", "1", "-D", "mark=-infinity", "-D", "mark_id=0"]
        .map(str::to_owned)
        .into();
    args.extend(["-c".to_owned(), CONNECTIONS.to_string()]);
    args.extend(["-t".to_owned(), calls.to_string()]);
    let meter = Meter::start(rig).await?;
    let ended = Cpu::ended_children()?;
    let start = Instant::now();
    let mut child = program.start(rig, "drain", &script, &args)?;
    child.ended_well(DRAIN_WITHIN).await?;
    let took = start.elapsed();
    let whose = Whose {
        user: Login::App.user(),
        database: DATABASE,
    };
    let mut drained = meter.read(rig, whose, took, jobs).await?;
    drained.own_us = Cpu::ended_children()?.us_each(ended, jobs);
    table::all_kept(rig, jobs).await?;
    Ok(drained)
}
