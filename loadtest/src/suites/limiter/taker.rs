//! A process that asks for passes as fast as it gets them, by the code of the api.
//!
//! Invariant: a pass counts when the limiter gave it; a denial fails the run, since then not the
//! limiter was measured but its limit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use certmill_coordination::{Allowance, Ask, GcraLimit};
use certmill_pg::{ConnectOptions, connect};
use certmill_settings::read_secret_file;
use certmill_tasks::{Shutdown, Tasks};
use certmill_telemetry::{Ready, ready};
use rand::RngExt as _;
use serde_json::json;
use tokio::sync::mpsc;

use crate::say;

/// The event that tells what was reached; `per_s` holds it.
pub const TOOK: &str = "took";
/// Connections of a process, and tasks that ask at the same time.
pub const CONNECTIONS: u32 = 4;

/// Its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct LimitTaker {
    /// File with the application's login
    #[arg(long)]
    pub url_file: PathBuf,
    /// The file whose coming begins the measurement
    #[arg(long)]
    pub go: PathBuf,
    /// How long to ask
    #[arg(long)]
    pub ms: u64,
    /// Over how many keys
    #[arg(long)]
    pub keys: u32,
    /// Under a limit that is large enough for packs of passes
    #[arg(long)]
    pub packs: bool,
}

impl LimitTaker {
    /// A limit that is not reached, with a burst that allows packs or does not.
    pub fn limit(packs: bool) -> GcraLimit {
        GcraLimit::per_second(1_000_000, if packs { 1_000_000 } else { 500 })
    }
}

/// Connects, waits for the file, asks for that long, tells what was reached.
///
/// # Errors
/// The database cannot be reached, the file does not come, or a pass was denied.
pub fn take(options: &LimitTaker) -> Result<()> {
    certmill_telemetry::init(certmill_telemetry::Format::Json, "info")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(options.clone()))
}

async fn run(options: LimitTaker) -> Result<()> {
    let url = read_secret_file("database login", &options.url_file)
        .map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
    let connect_options = ConnectOptions::new("api").max_connections(CONNECTIONS);
    let pool = connect(&url, connect_options)
        .await
        .context("the database")?;
    let allowance = Arc::new(Allowance::shared(pool));
    ready(&Ready {
        role: "taker",
        name: "taker",
        ..Ready::default()
    });
    await_go(&options).await?;
    let tasks = Tasks::new(Shutdown::new());
    let (sender, mut passes) = mpsc::channel(CONNECTIONS as usize);
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        let (allowance, options, sender) =
            (Arc::clone(&allowance), options.clone(), sender.clone());
        tasks.spawn("taker", async move {
            let passed = ask(&allowance, &options, began).await;
            // Nobody listens only after another one failed.
            sender.send(passed).await.ok();
        });
    }
    drop(sender);
    let mut passed = 0;
    while let Some(one) = passes.recv().await {
        passed += one?;
    }
    let per_s = passed as f64 / began.elapsed().as_secs_f64();
    say::out(&json!({ "event": TOOK, "per_s": per_s }).to_string());
    Ok(())
}

async fn await_go(options: &LimitTaker) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !options.go.exists() {
        if Instant::now() > deadline {
            bail!("nobody said go");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// How many passes one task got until the time was over.
async fn ask(allowance: &Allowance, options: &LimitTaker, began: Instant) -> Result<u64> {
    let (length, limit) = (
        Duration::from_millis(options.ms),
        LimitTaker::limit(options.packs),
    );
    let mut passed: u64 = 0;
    while began.elapsed() < length {
        let key = match options.keys {
            1 => "k0".to_owned(),
            keys => format!("k{}", rand::rng().random_range(0..keys)),
        };
        // Strictly: what a replica lets pass alone would not be the shared limit's.
        let ask = Ask { key: &key, limit };
        if let Some(denial) = allowance.take_strictly([ask]).await?.denied {
            bail!("a pass was denied: {denial:?}");
        }
        passed += 1;
        // As behind a socket, where others get their turn between two requests.
        if passed.is_multiple_of(16) {
            tokio::task::yield_now().await;
        }
    }
    Ok(passed)
}
