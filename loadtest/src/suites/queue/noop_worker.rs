//! A worker whose only kind does nothing: what is left is the queue's own cost.
//!
//! Invariant: registration, beats, claims, runtime and finisher are the product's.
#![allow(
    clippy::disallowed_methods,
    reason = "the load test writes effects into a table of its own"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use certmill_crypto::seal::{Kek, Keyring, LiveKeyring};
use certmill_pg::{ConnectOptions, Tx, connect};
use certmill_queue::{BoxError, ClaimedJob, Effects, Finished, Hinter, Stops, Wake};
use certmill_settings::read_secret_file;
use certmill_tasks::{Shutdown, Tasks};
use certmill_telemetry::{Ready, clock, ready};
use certmill_worker::{Failpoints, Kinds, Options, Outcome, Retention, STOP_PATIENCE, run_kinds};
use serde_json::json;

use crate::say;

/// The kind, and the lane that it has to itself.
pub const KIND: &str = "noop";
/// The event that tells how long a job waited, in microseconds under `us`.
pub const STARTED: &str = "started";
/// The event that tells that all jobs have run.
pub const RAN: &str = "ran";

/// Its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct NoopWorker {
    /// File with the application's login
    #[arg(long)]
    pub url_file: PathBuf,
    /// The kind of jobs
    #[arg(long, default_value = KIND)]
    pub kind: String,
    /// The lane that it claims from
    #[arg(long, default_value = KIND)]
    pub lane: String,
    /// Jobs at once
    #[arg(long)]
    pub concurrency: usize,
    /// Milliseconds that each job takes
    #[arg(long, default_value_t = 0)]
    pub work_ms: u64,
    /// Tells when it has run so many
    #[arg(long, default_value_t = 0)]
    pub jobs: u64,
    /// It may claim from lanes whose jobs sign; the key that it holds opens nothing
    #[arg(long)]
    pub holds_key: bool,
    /// Each job writes a row
    #[arg(long)]
    pub effects: bool,
    /// Tells how long each job waited from the instant in its arguments
    #[arg(long)]
    pub tell_starts: bool,
}

/// Runs until it is asked to end.
///
/// # Errors
/// The database cannot be reached, or the system gives no threads.
pub fn run(options: &NoopWorker) -> Result<()> {
    certmill_telemetry::init(certmill_telemetry::Format::Json, "info")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work(options))
}

async fn work(options: &NoopWorker) -> Result<()> {
    let url = read_secret_file("database login", &options.url_file)
        .map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
    let pool = connect(&url, ConnectOptions::new("worker").max_connections(20))
        .await
        .context("the database")?;
    let tasks = Tasks::new(Shutdown::new());
    tasks.shutdown_on_signals()?;
    let worker = Options {
        label: "noop".into(),
        version: "loadtest".into(),
        queues: vec![options.lane.clone()],
        until_empty: false,
        concurrency: options.concurrency,
        lease: Duration::from_secs(30),
        beat: Duration::from_secs(8),
        rescue: Duration::from_secs(10),
        deadline: Duration::from_secs(600),
        stop_patience: STOP_PATIENCE,
        grace: Duration::from_secs(10),
        poll: Duration::from_secs(1),
        wake: Wake::listen(&tasks, pool.clone()),
        hinter: Hinter::none(),
        ca_keys: options.holds_key.then(key_to_nothing),
        retention: Retention::default(),
        failpoints: Failpoints {
            finish_delay_max: Duration::ZERO,
            finish_delay_share: 0.0,
            unfenced_finish: false,
        },
        pool: pool.clone(),
    };
    let announce = || {
        ready(&Ready {
            role: "worker",
            name: "noop",
            ..Ready::default()
        });
    };
    let noop = Noop {
        kind: options.kind.clone(),
        takes: Duration::from_millis(options.work_ms),
        tells_starts: options.tell_starts,
        jobs: options.jobs,
        effects: options.effects,
        ran: Arc::default(),
    };
    run_kinds(
        worker,
        noop.clone(),
        Stops::default(),
        noop,
        &tasks,
        announce,
    )
    .await?;
    tasks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

fn key_to_nothing() -> Arc<LiveKeyring> {
    let kek = Kek::from_bytes(rand::random());
    Arc::new(LiveKeyring::new(Keyring::new(kek, Vec::new())))
}

/// Does nothing, for as long as it is told, and writes nothing unless it is told to.
#[derive(Clone)]
struct Noop {
    kind: String,
    takes: Duration,
    tells_starts: bool,
    jobs: u64,
    effects: bool,
    ran: Arc<AtomicU64>,
}

impl Kinds for Noop {
    fn known(&self) -> Vec<String> {
        vec![self.kind.clone()]
    }

    async fn run(&self, job: &ClaimedJob) -> Outcome {
        if self.tells_starts {
            let us = clock::now_utc().unix_timestamp_nanos() as i64 / 1000;
            let us = us - job.args["us"].as_i64().unwrap_or_default();
            say::out(&json!({ "event": STARTED, "us": us }).to_string());
        }
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        if self.ran.fetch_add(1, Ordering::Relaxed) + 1 == self.jobs {
            say::out(&json!({ "event": RAN, "jobs": self.jobs }).to_string());
        }
        Outcome::Complete {
            effect: serde_json::Value::Null,
            result: serde_json::Value::Null,
        }
    }
}

impl Effects for Noop {
    async fn apply(&self, tx: &mut Tx, accepted: &[&Finished]) -> Result<(), BoxError> {
        if self.effects {
            let ids: Vec<i64> = accepted.iter().map(|job| job.lease.job_id.0).collect();
            sqlx::query("INSERT INTO load_effect (job_id) SELECT unnest($1::bigint[])")
                .bind(&ids)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}
