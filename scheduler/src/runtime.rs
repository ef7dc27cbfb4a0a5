//! One scheduler process: registers, beats, campaigns.

use crate::term;
use certmill_coordination::{CampaignOptions, Schedule, campaign};
use certmill_pg::Pool;
use certmill_queue::process::NewProcess;
use certmill_queue::{BeatOptions, Error, Hinter, keep_registered};
use certmill_tasks::Tasks;
use std::time::Duration;

/// The name of the leadership.
const LEADERSHIP: &str = "scheduler";

/// What a scheduler runs with.
#[derive(Clone)]
pub struct Options {
    /// The application's pool.
    pub pool: Pool,
    /// Its name in the list of processes.
    pub label: String,
    /// Version of this build.
    pub version: String,
    /// Silence after which this process counts as dead.
    pub lease: Duration,
    /// Period of its beats.
    pub beat: Duration,
    /// Lease of the leadership.
    pub leader_lease: Duration,
    /// What it turns into jobs.
    pub schedules: Vec<Schedule>,
    /// Wakes workers after a tick.
    pub hinter: Hinter,
}

/// Campaigns until the shutdown; resigns within a second then. `ready` is called once, when the
/// process is registered.
///
/// # Errors
/// Only if the system gives no thread for the beats.
pub async fn run(
    options: Options,
    tasks: &Tasks,
    ready: impl FnOnce() + Send,
) -> Result<(), Error> {
    let shutdown = tasks.shutdown_token();
    let beats = keep_registered(tasks, beat_options(&options), &shutdown, ready);
    let campaigning = campaign(
        &options.pool,
        CampaignOptions::new(LEADERSHIP, options.label.clone(), options.leader_lease),
        shutdown.clone(),
        |term| term::lead(&options, term),
    );
    let ((), registered) = tokio::join!(campaigning, beats);
    registered
}

fn beat_options(options: &Options) -> BeatOptions {
    BeatOptions {
        pool: options.pool.clone(),
        every: options.beat,
        process: NewProcess {
            role: "scheduler".into(),
            label: options.label.clone(),
            version: options.version.clone(),
            queues: Vec::new(),
            kinds: Vec::new(),
            capacity: None,
            limits: None,
            lease: options.lease,
        },
    }
}
