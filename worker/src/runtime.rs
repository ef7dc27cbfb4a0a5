//! One worker process: registers, beats, claims, runs; registers anew when its lease was lost.

use crate::attempt::attempt;
use crate::failpoint::Failpoints;
use crate::issuers::Issuers;
use crate::kinds::{self, Tools};
use crate::loader::Loader;
use crate::outcome::Outcome;
use crate::{rescue, settle};
use certmill_crypto::seal::LiveKeyring;
use certmill_pg::Pool;
use certmill_queue::apalis::{JobSource, RunOptions, SourceOptions, run_worker};
use certmill_queue::process::NewProcess;
use certmill_queue::{
    Beat, BeatOptions, ClaimedJob, Effects, Error, Finisher, FinisherOptions, Hinter, Standing,
    StopLimits, Stops, Wake, register,
};
use certmill_service::effects::Registry;
use certmill_tasks::{Shutdown, Tasks};
use std::sync::Arc;
use std::time::Duration;

/// How long a handler may go on after it was asked to stop.
pub const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Beyond a handler's deadline, for writing what it ended in.
const TO_SETTLE: Duration = Duration::from_secs(25);

/// How long jobs stay in the history, by how they ended; days that begin in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Completed ones; at least 1.
    pub completed_days: u16,
    /// Discarded and cancelled ones, and failed attempts; at least 1.
    pub ended_days: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            completed_days: 14,
            ended_days: 90,
        }
    }
}

/// What a worker runs with.
#[derive(Clone)]
pub struct Options {
    /// The application's pool.
    pub pool: Pool,
    /// Its name in the list of processes.
    pub label: String,
    /// Version of this build.
    pub version: String,
    /// Lanes by name or glob; none means all.
    pub queues: Vec<String>,
    /// End when nothing is due in the lanes and nothing runs here.
    pub until_empty: bool,
    /// Jobs at once.
    pub concurrency: usize,
    /// Silence after which this process counts as dead.
    pub lease: Duration,
    /// Period of its beats.
    pub beat: Duration,
    /// Period of the search for lost jobs.
    pub rescue: Duration,
    /// A handler that runs longer is taken away.
    pub deadline: Duration,
    /// A handler that was asked to stop is taken away after this: [`STOP_PATIENCE`].
    pub stop_patience: Duration,
    /// Time to drain.
    pub grace: Duration,
    /// Period of the poll.
    pub poll: Duration,
    /// Hints that jobs are there.
    pub wake: Wake,
    /// Sends such hints for what sweeps enqueue.
    pub hinter: Hinter,
    /// The ca KEK, where this process has it; without it, lanes that sign are left alone.
    pub ca_keys: Option<Arc<LiveKeyring>>,
    /// How long jobs stay in the history.
    pub retention: Retention,
    /// Faults on purpose.
    pub failpoints: Failpoints,
}

/// What a worker can run: the product's kinds, or those of a load test.
pub trait Kinds: Clone + Send + Sync + 'static {
    /// The kinds that [`Kinds::run`] knows; jobs of others are left for builds that know them.
    fn known(&self) -> Vec<String>;

    /// Runs one attempt; it may be repeated after any crash.
    fn run(&self, job: &ClaimedJob) -> impl Future<Output = Outcome> + Send;
}

/// The kinds of the product.
#[derive(Clone)]
struct Product(Arc<Tools>);

impl Kinds for Product {
    fn known(&self) -> Vec<String> {
        kinds::KNOWN.iter().copied().map(str::to_owned).collect()
    }

    async fn run(&self, job: &ClaimedJob) -> Outcome {
        kinds::run(&self.0, job).await
    }
}

/// Works until the shutdown. `ready` is called once, when the process is registered.
///
/// # Errors
/// Only if the system gives no thread for the beats.
pub async fn run(
    options: Options,
    tasks: &Tasks,
    ready: impl FnOnce() + Send,
) -> Result<(), Error> {
    let stops = Stops::default();
    let kinds = Product(Arc::new(Tools {
        pool: options.pool.clone(),
        stops: stops.clone(),
        retention: options.retention,
        hinter: options.hinter.clone(),
        issuers: Issuers::new(options.pool.clone(), options.ca_keys.clone()),
        loader: Loader::start(tasks, options.pool.clone()),
    }));
    run_kinds(options, kinds, stops, Registry, tasks, ready).await
}

/// As [`run`], with these kinds, what their finished jobs write, and where their handlers hear that they
/// are to stop.
///
/// # Errors
/// As [`run`].
pub async fn run_kinds(
    options: Options,
    kinds: impl Kinds,
    stops: Stops,
    effects: impl Effects + Clone,
    tasks: &Tasks,
    ready: impl FnOnce() + Send,
) -> Result<(), Error> {
    let shutdown = tasks.shutdown_token();
    let mut ready = Some(ready);
    let beats = beat_options(&options, kinds.known());
    while let Some(beat) = register(tasks, &beats, &shutdown).await? {
        if let Some(ready) = ready.take() {
            ready();
        }
        let finisher = Finisher::start(
            tasks,
            options.pool.clone(),
            effects.clone(),
            FinisherOptions {
                unfenced: options.failpoints.unfenced_finish,
                ..FinisherOptions::default()
            },
        );
        let watching = {
            let (stops, pool, wake) = (stops.clone(), options.pool.clone(), options.wake.clone());
            let me = beat.process_id();
            tasks.spawn("stops", async move { stops.watch(&pool, me, wake).await })
        };
        let ended = incarnation(&options, &kinds, &stops, finisher, beat, &shutdown).await;
        watching.abort();
        watching.ended().await;
        if ended == Ended::Drained {
            break;
        }
    }
    Ok(())
}

/// Why an incarnation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// By the shutdown, or for want of work where that was asked for.
    Drained,
    /// Others declared it dead, or its lease ran out.
    Lost,
}

/// Works under one registration, until it is lost, the shutdown, or the end of the work.
async fn incarnation(
    options: &Options,
    kinds: &impl Kinds,
    stops: &Stops,
    finisher: Finisher,
    beat: Beat,
    shutdown: &Shutdown,
) -> Ended {
    let me = beat.process_id();
    let source = JobSource::new(SourceOptions {
        pool: options.pool.clone(),
        process_id: me,
        patterns: options.queues.clone(),
        holds_key: options.ca_keys.is_some(),
        kinds: Some(kinds.known()),
        deadline: options.deadline + TO_SETTLE + Duration::from_secs(5),
        wake: options.wake.clone(),
        poll: options.poll,
        at_work: finisher.at_work(),
        until_empty: options.until_empty,
    });
    let run_options = RunOptions {
        name: options.label.clone(),
        concurrency: options.concurrency,
        timeout: options.deadline + TO_SETTLE,
        grace: options.grace,
    };
    let (kinds, pool, failpoints) = (kinds.clone(), options.pool.clone(), options.failpoints);
    let (stops, limits) = (stops.clone(), stop_limits(options));
    let handler = move |job: ClaimedJob| {
        let (kinds, stops) = (kinds.clone(), stops.clone());
        let (pool, finisher) = (pool.clone(), finisher.clone());
        // Boxed where it is made: it is large, and the layers around it would copy it.
        Box::pin(async move {
            let attempted = attempt(&kinds, &stops, limits, &job).await;
            settle::settle(&pool, finisher, &failpoints, job, attempted).await;
        })
    };
    let mut standing = beat.standing();
    let lost = standing.wait_for(|standing| *standing != Standing::Held);
    let ended = tokio::select! {
        () = run_worker(run_options, source, handler, shutdown.clone()) => Ended::Drained,
        _ = lost => {
            tracing::warn!(event = "lease_lost", process = me.0, "work dropped; registering anew");
            Ended::Lost
        }
        () = rescue::run(options.pool.clone(), me, options.rescue, Shutdown::new()) => Ended::Lost,
    };
    let left = beat.resign().await;
    tracing::info!(event = "process_resigned", process = me.0, left);
    ended
}

fn stop_limits(options: &Options) -> StopLimits {
    StopLimits {
        deadline: options.deadline,
        patience: options.stop_patience,
    }
}

fn beat_options(options: &Options, kinds: Vec<String>) -> BeatOptions {
    BeatOptions {
        pool: options.pool.clone(),
        every: options.beat,
        process: NewProcess {
            role: "worker".into(),
            label: options.label.clone(),
            version: options.version.clone(),
            queues: options.queues.clone(),
            kinds,
            capacity: i32::try_from(options.concurrency).ok(),
            limits: None,
            lease: options.lease,
        },
    }
}
