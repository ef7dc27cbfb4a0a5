//! A worker whose only kind does nothing: what is left is the queue's own cost.
//!
//! Invariant: registration, beats, claims, runtime and finisher are the product's.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use certmill_pg::{ConnectOptions, Tx, connect};
use certmill_queue::{BoxError, ClaimedJob, Effects, Finished, Hinter, Wake};
use certmill_settings::read_secret_file;
use certmill_tasks::{Shutdown, Tasks};
use certmill_telemetry::{Ready, ready};
use certmill_worker::{Failpoints, Kinds, Options, Outcome, run_kinds};

/// The kind, and the lane that it has to itself.
pub const KIND: &str = "noop";

/// Its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct NoopWorker {
    /// File with the application's login
    #[arg(long)]
    pub url_file: PathBuf,
    /// Jobs at once
    #[arg(long)]
    pub concurrency: usize,
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
        queues: vec![KIND.into()],
        until_empty: false,
        concurrency: options.concurrency,
        lease: Duration::from_secs(30),
        beat: Duration::from_secs(8),
        rescue: Duration::from_secs(10),
        deadline: Duration::from_secs(600),
        grace: Duration::from_secs(10),
        poll: Duration::from_secs(1),
        wake: Wake::listen(&tasks, pool.clone()),
        hinter: Hinter::none(),
        ca_keys: None,
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
    run_kinds(worker, Noop, Noop, &tasks, announce).await?;
    tasks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// Does nothing and writes nothing.
#[derive(Clone)]
struct Noop;

impl Kinds for Noop {
    fn known(&self) -> Vec<String> {
        vec![KIND.to_owned()]
    }

    async fn run(&self, _job: &ClaimedJob) -> Outcome {
        Outcome::Complete {
            effect: serde_json::Value::Null,
            result: serde_json::Value::Null,
        }
    }
}

impl Effects for Noop {
    async fn apply(&self, _tx: &mut Tx<'_>, _accepted: &[&Finished]) -> Result<(), BoxError> {
        Ok(())
    }
}
