//! The adapter to apalis: its worker runs our claimed jobs.
//!
//! Invariant: this file and the worker's runtime are the only ones that name apalis. It claims
//! nothing and acknowledges nothing by itself: claims come from [`JobSource`], a job ends through
//! the fenced statements of [`crate::finish`].

use std::convert::Infallible;
use std::future::Future;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::error::WorkerError;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use certmill_pg::Pool;
use certmill_tasks::{Shutdown, Tasks, watch};
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;
use tower::layer::util::Identity;
use tracing::{info, warn};

use crate::ahead::{Ahead, Hand, Ticket};
pub use crate::source::{JobSource, SourceOptions};
use crate::{ClaimedJob, Lease, Unsettled, finish};

/// How to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The worker's name in the log.
    pub name: String,
    /// How many jobs run at once.
    pub concurrency: usize,
    /// How long one handler may take; the attempt then fails with class retry.
    pub timeout: Duration,
    /// How long handlers may go on after the shutdown; then they are dropped.
    pub grace: Duration,
}

/// Runs claimed jobs until the shutdown; returns when the running ones have ended, and with them the
/// claim that was under way, or the grace is over. Dropping the future drops the handlers. The handler
/// ends its job itself, through the finisher, `fail` or `snooze`; a panic or a time-out is failed here
/// with class retry.
pub async fn run_worker<H, F>(
    options: RunOptions,
    source: JobSource,
    handler: H,
    shutdown: Shutdown,
) where
    H: Fn(ClaimedJob) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // A group of its own: its tasks end with this future, not with the process.
    let tasks = Tasks::new(Shutdown::new());
    let desk = Desk {
        pool: source.options.pool.clone(),
        timeout: options.timeout,
        unsettled: Unsettled::start(&tasks, source.options.pool.clone()),
        tasks,
    };
    let (concurrency, ahead) = (options.concurrency.max(1), Ahead::open());
    source.options.at_work.runs_at_once(concurrency);
    let claims = source.run(concurrency, ahead.clone(), shutdown.clone());
    let claims = desk.tasks.spawn("claims", claims);
    let _dropped_with_us = AbortOnDrop(claims.abort_handle());
    let backend = Feed::new(ahead, concurrency, shutdown.clone());
    let worker = WorkerBuilder::new(options.name.as_str())
        .backend(backend)
        .catch_panic()
        .build(move |hand: Hand| {
            let (desk, handler) = (desk.clone(), handler.clone());
            async move { desk.attend(hand, handler).await }
        });
    let out_of_grace = async {
        shutdown.requested().await;
        tokio::time::sleep(options.grace).await;
    };
    // Boxed, since the compiler cannot prove `Send` of this future inside another one.
    let run: futures::future::BoxFuture<'_, _> = Box::pin(worker.run());
    let drained = async {
        run.await?;
        claims.ended().await;
        Ok::<_, WorkerError>(())
    };
    tokio::select! {
        ended = drained => match ended {
            Ok(()) => info!(worker = %options.name, "worker drained"),
            Err(error) => warn!(worker = %options.name, %error, "worker ended"),
        },
        () = out_of_grace => warn!(worker = %options.name, "grace over; running jobs are dropped"),
    }
}

#[derive(Debug, Clone)]
struct Desk {
    pool: Pool,
    timeout: Duration,
    tasks: Tasks,
    unsettled: Unsettled,
}

impl Desk {
    /// Runs a hand on a task of its own, so that the jobs of a process use all its cores.
    async fn attend<H, F>(&self, hand: Hand, handler: H)
    where
        H: Fn(ClaimedJob) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let desk = self.clone();
        let task = self.tasks.spawn("hand", async move {
            let run = |ticket| desk.run(ticket, &handler);
            let mut running: FuturesUnordered<_> = hand.into_iter().map(run).collect();
            while running.next().await.is_some() {}
        });
        let _dropped_with_us = AbortOnDrop(task.abort_handle());
        task.ended().await;
    }

    /// Runs one handler; what it does not end by itself is ended here.
    async fn run<H, F>(&self, ticket: Ticket, handler: &H)
    where
        H: Fn(ClaimedJob) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let Ticket {
            job,
            _slot,
            _counted,
        } = ticket;
        let (lease, attempt, kind) = (job.lease, job.attempt, job.kind.clone());
        match tokio::time::timeout(self.timeout, watch(&kind, handler(job))).await {
            Ok(false) => {}
            Ok(true) => Box::pin(self.fail(lease, attempt, "panic")).await,
            Err(_) => Box::pin(self.fail(lease, attempt, "timeout")).await,
        }
    }

    async fn fail(&self, lease: Lease, attempt: i16, code: &str) {
        let why = format!("the handler ended by {code}");
        match finish::fail_for_retry(&self.pool, &lease, attempt, code, &why).await {
            Ok(outcome) => warn!(job = %lease.job_id, code, ?outcome, "attempt failed"),
            Err(error) => {
                warn!(job = %lease.job_id, code, %error, "attempt not failed");
                self.unsettled.leave(lease, attempt, code);
            }
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What apalis polls. The stream ends with the shutdown, or with the work; apalis then drains and
/// closes.
struct Feed {
    hands: BoxStream<'static, Hand>,
}

impl Feed {
    fn new(ahead: Ahead, concurrency: usize, shutdown: Shutdown) -> Self {
        // apalis' own limit layer would need a claim before it knows of a free slot; here the
        // slot travels with the job.
        let slots = Arc::new(Semaphore::new(concurrency));
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let state = (ahead, slots, shutdown);
        let hands = futures::stream::unfold(state, move |(ahead, slots, shutdown)| async move {
            let hand = shutdown.cut_short(ahead.next(&slots, cores)).await??;
            Some((hand, (ahead, slots, shutdown)))
        });
        Self {
            hands: hands.boxed(),
        }
    }
}

impl Backend for Feed {
    type Task = Task<Hand>;
    // An error would end the worker: the source waits and tries again by itself.
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<std::result::Result<Self::Task, Infallible>>> {
        Pin::new(&mut self.hands)
            .poll_next_unpin(cx)
            .map(|next| next.map(|hand| Ok(TaskBuilder::new(hand).build())))
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<std::result::Result<(), Infallible>> {
        // A worker whose source ended waits for a stop that nobody else would give. It refuses
        // only when it is not running, and then there is nothing to stop.
        worker.stop().ok();
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Feed {
    type Args = Hand;
    type Id = i64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
