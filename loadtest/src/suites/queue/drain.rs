//! One drain: the table is filled, a peer empties it, and what it used is counted.
//!
//! Invariant: the clock runs from when the peer is there until no live job is left; history and
//! jobs agree at the end, or the drain fails.
#![allow(
    clippy::disallowed_methods,
    reason = "the load test fills the table itself"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use certmill_pg::PLANNING;
use certmill_pg::embedded::{DATABASE, Login};
use secrecy::ExposeSecret as _;

use super::noop_worker::KIND;
use super::pgbench;
use crate::building;
use crate::rig::{Child, Cpu, Rig, peak_rss_mb};

const DRAIN_WITHIN: Duration = Duration::from_secs(120);
/// The queue's own largest claim.
const BATCH: usize = 500;
/// A worker claims on one connection and completes on another.
const CONNECTIONS: usize = 2;

/// What a drain took.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// Jobs a second.
    pub per_second: f64,
    /// WAL a job.
    pub wal_bytes: f64,
    /// CPU a job of the worker, or of pgbench.
    pub own_us: f64,
    /// CPU a job of the server.
    pub postgres_us: f64,
    /// Memory of the worker.
    pub peak_rss_mb: Option<f64>,
}

/// Makes the lane of the no-op jobs.
///
/// # Errors
/// The database's.
pub async fn declare_lane(rig: &Rig) -> Result<()> {
    sqlx::query("INSERT INTO lane (name) VALUES ($1)")
        .bind(KIND)
        .execute(rig.database.pool())
        .await?;
    Ok(())
}

/// Fills the table, and leaves it as after a vacuum and a checkpoint.
///
/// # Errors
/// The database's.
pub async fn fill(rig: &Rig, jobs: usize) -> Result<()> {
    let pool = rig.database.pool();
    sqlx::query("TRUNCATE job, job_history")
        .execute(pool)
        .await?;
    sqlx::query(
        "INSERT INTO job (team_id, queue, kind, args)
         SELECT 1, $1, $1, jsonb_build_object('n', n) FROM generate_series(1, $2) n",
    )
    .bind(KIND)
    .bind(i32::try_from(jobs)?)
    .execute(pool)
    .await?;
    rig.database.settle().await
}

/// Lets a worker drain.
///
/// # Errors
/// It fails, or jobs are left.
pub async fn by_worker(rig: &mut Rig, jobs: usize, concurrency: usize) -> Result<Drained> {
    let args = [
        "noop-worker".to_owned(),
        "--url-file".to_owned(),
        rig.path("database.url").display().to_string(),
        "--concurrency".to_owned(),
        concurrency.to_string(),
    ];
    let wal = rig.database.wal_bytes().await?;
    let postgres = Cpu::of_server(rig.postmaster()?)?;
    let log = rig.path("noop.log");
    let child = Child::start("noop", &building::own()?, &args, &[], &log)?;
    rig.adopt("noop", child).await?;
    let start = Instant::now();
    rig.database.drained(KIND, DRAIN_WITHIN).await?;
    let took = start.elapsed();
    let pid = rig.pid("noop")?;
    let drained = Drained {
        per_second: jobs as f64 / took.as_secs_f64(),
        wal_bytes: (rig.database.wal_bytes().await? - wal) / jobs as f64,
        own_us: Cpu::of(pid)?.us_each(Cpu(0.0), jobs),
        postgres_us: Cpu::of_server(rig.postmaster()?)?.us_each(postgres, jobs),
        peak_rss_mb: Some(peak_rss_mb(pid)?),
    };
    rig.stop("noop").await?;
    all_kept(rig, jobs).await?;
    Ok(drained)
}

/// Lets pgbench drain.
///
/// # Errors
/// It fails, or jobs are left.
pub async fn by_pgbench(rig: &Rig, program: &Path, jobs: usize) -> Result<Drained> {
    let process: i64 = sqlx::query_scalar(
        "INSERT INTO process (role, label, version, lease, expires_at)
         VALUES ('worker', 'pgbench', 'loadtest', '1 h', now() + interval '1 h') RETURNING id",
    )
    .fetch_one(rig.database.pool())
    .await?;
    let script = rig.path("drain.sql");
    std::fs::write(&script, pgbench::script(KIND, process, BATCH))?;
    // One look more than needed for each connection, as a worker looks once more, too.
    let calls = jobs.div_ceil(BATCH * CONNECTIONS) + 1;
    let args = [
        "-n",
        "-M",
        "prepared",
        "-j",
        "1",
        "-D",
        "mark=-infinity",
        "-D",
        "mark_id=0",
    ];
    let mut args: Vec<String> = args.map(str::to_owned).into();
    args.extend(["-c".to_owned(), CONNECTIONS.to_string()]);
    args.extend(["-t".to_owned(), calls.to_string()]);
    args.extend(["-f".to_owned(), script.display().to_string()]);
    let (address, password) = apart(rig.login(Login::App, DATABASE).expose_secret())?;
    args.push(address);
    let wal = rig.database.wal_bytes().await?;
    let postgres = Cpu::of_server(rig.postmaster()?)?;
    let ended = Cpu::ended_children()?;
    let start = Instant::now();
    let log = rig.path("pgbench.log");
    // Plans are made as on the connections of a worker.
    let planning = PLANNING.map(|(setting, value)| format!("-c {setting}={value}"));
    let env = [
        ("PGPASSWORD".to_owned(), password),
        ("PGOPTIONS".to_owned(), planning.join(" ")),
    ];
    let mut child = Child::start("pgbench", program, &args, &env, &log)?;
    child.ended_well(DRAIN_WITHIN).await?;
    let took = start.elapsed();
    let drained = Drained {
        per_second: jobs as f64 / took.as_secs_f64(),
        wal_bytes: (rig.database.wal_bytes().await? - wal) / jobs as f64,
        own_us: Cpu::ended_children()?.us_each(ended, jobs),
        postgres_us: Cpu::of_server(rig.postmaster()?)?.us_each(postgres, jobs),
        peak_rss_mb: None,
    };
    all_kept(rig, jobs).await?;
    Ok(drained)
}

/// The address without its password, and the password: arguments are seen by everybody.
fn apart(url: &str) -> Result<(String, String)> {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.split_once('@')?;
        let (user, password) = login.split_once(':')?;
        Some((format!("{scheme}://{user}@{place}"), password.to_owned()))
    });
    parts.context("a connection string without login")
}

async fn all_kept(rig: &Rig, jobs: usize) -> Result<()> {
    let (left, kept): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM job WHERE kind = $1), (SELECT count(*) FROM job_history WHERE kind = $1)",
    )
    .bind(KIND)
    .fetch_one(rig.database.pool())
    .await?;
    ensure!(
        left == 0 && kept == i64::try_from(jobs)?,
        "of {jobs} jobs {left} are left and {kept} are in the history"
    );
    Ok(())
}
