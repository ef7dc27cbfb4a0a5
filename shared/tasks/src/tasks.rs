//! A group of named tasks that is watched, asked to end together and waited for.
//!
//! Invariant: each panic and each unexpected end is logged once with the task's name, and once
//! [`Tasks::shutdown`] has answered no task of the group gets past its next await.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the supervisor; the signal listener must outlive its wait"
)]

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use rand::rngs::StdRng;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Backoff, Shutdown};

/// What a task is called in the log.
type Name = Cow<'static, str>;

/// A task that held this long without a fault starts again from the shortest wait.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// The group; cheap to clone, all clones are the same group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: Shutdown,
    abort: CancellationToken,
    failed: Arc<OnceLock<String>>,
}

/// One task of a group; dropping the handle leaves the task alone.
#[derive(Debug)]
pub struct TaskHandle {
    join: JoinHandle<()>,
}

impl TaskHandle {
    /// Drops the task at its next await.
    pub fn abort(&self) {
        self.join.abort();
    }

    /// A handle that can only abort, to be kept elsewhere.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.join.abort_handle()
    }

    /// Waits until the task has ended, in whatever way.
    pub async fn ended(self) {
        // Panics are caught and logged inside the task; an abort is an end like any other.
        let _ = self.join.await;
    }
}

impl Tasks {
    /// A group that ends with `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            ..Self::default()
        }
    }

    /// The token that its tasks should listen to.
    #[must_use]
    pub fn shutdown_token(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// How many tasks are running.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// The first essential task that failed, if any: the process should then exit with 1.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Runs a task once; a panic is logged and goes no further.
    pub fn spawn<F>(&self, name: impl Into<Name>, future: F) -> TaskHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        self.start(async move {
            watch(&name, future).await;
        })
    }

    /// Runs a task without which the process is of no use: if it panics, or ends before the
    /// shutdown was asked for, the whole group is asked to end and [`Tasks::failed`] names it.
    pub fn spawn_essential<F>(&self, name: impl Into<Name>, future: F) -> TaskHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (name, group) = (name.into(), self.clone());
        self.start(async move {
            let panicked = watch(&name, future).await;
            if group.shutdown.is_requested() && !panicked {
                return;
            }
            if !panicked {
                log_unexpected_end(&name);
            }
            let _ = group.failed.set(name.into_owned());
            group.shutdown.request();
        })
    }

    /// Keeps a task alive: if it panics, or ends before the shutdown was asked for, it is built
    /// and run again after a wait. A policy with a limit of attempts stops there, quietly.
    pub fn supervise<F, Fut>(&self, name: impl Into<Name>, backoff: Backoff, make: F) -> TaskHandle
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (name, shutdown) = (name.into(), self.shutdown.clone());
        self.start(keep_alive(name, shutdown, backoff, make))
    }

    /// Runs a future on a thread and a runtime of its own, for work that must go on though the
    /// shared runtime is busy (beats of the process lease). The future is built on that thread.
    ///
    /// # Errors
    /// The system refuses another thread or runtime.
    pub fn spawn_own_thread<F, Fut>(&self, name: impl Into<Name>, make: F) -> io::Result<()>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        let (name, abort, token) = (name.into(), self.abort.clone(), self.tracker.token());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name(name.to_string())
            .spawn(move || {
                let _tracked = token;
                let watched = async { watch(&name, async { make().await }).await };
                runtime.block_on(abort.run_until_cancelled(watched));
            })?;
        Ok(())
    }

    /// Asks all tasks to end, waits up to `grace`, drops those that are left at their next await.
    /// True if all had ended by themselves in time.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.shutdown.request();
        self.tracker.close();
        let in_time = tokio::select! {
            biased;
            () = self.tracker.wait() => true,
            () = self.abort.cancelled() => false,
            () = tokio::time::sleep(grace) => false,
        };
        if !in_time {
            let left = self.tracker.len();
            tracing::warn!(
                event = "shutdown_cut_short",
                left,
                "tasks were dropped at shutdown"
            );
            self.abort.cancel();
        }
        in_time
    }

    /// SIGTERM and SIGINT ask the group to end; a second one cuts the grace short.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub fn shutdown_on_signals(&self) -> io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let (shutdown, abort) = (self.shutdown.clone(), self.abort.clone());
        // Not tracked: the listener has to outlive the wait for the others.
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = term.recv() => "SIGTERM",
                    _ = int.recv() => "SIGINT",
                };
                if shutdown.is_requested() {
                    tracing::warn!(event = "shutdown_forced", signal = name, "second signal");
                    abort.cancel();
                    return;
                }
                tracing::info!(event = "shutdown_requested", signal = name, "asked to end");
                shutdown.request();
            }
        });
        Ok(())
    }

    fn start(&self, task: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        let abort = self.abort.clone();
        let join = self.tracker.spawn(async move {
            abort.run_until_cancelled(task).await;
        });
        TaskHandle { join }
    }
}

async fn keep_alive<F, Fut>(name: Name, shutdown: Shutdown, backoff: Backoff, mut make: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = ()>,
{
    let mut delays = backoff.delays(rand::make_rng::<StdRng>());
    loop {
        let started = Instant::now();
        let panicked = watch(&name, async { make().await }).await;
        if shutdown.is_requested() {
            return;
        }
        if !panicked {
            log_unexpected_end(&name);
        }
        if started.elapsed() >= HEALTHY_AFTER {
            delays = backoff.delays(rand::make_rng::<StdRng>());
        }
        let Some(wait) = delays.next() else { return };
        if shutdown.cut_short(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Runs the future to its end; true if it panicked, which is logged here with the task's name.
pub async fn watch(name: &str, future: impl Future<Output = ()>) -> bool {
    catch(name, future).await.is_none()
}

/// As [`watch`], with what the future brings; `None` if it panicked.
pub async fn catch<F: Future>(name: &str, future: F) -> Option<F::Output> {
    let payload = match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => return Some(output),
        Err(payload) => payload,
    };
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("not a text");
    tracing::error!(
        event = "task_panicked",
        task = name,
        "task {name} panicked: {what}"
    );
    None
}

fn log_unexpected_end(name: &str) {
    tracing::error!(
        event = "task_ended",
        task = name,
        "task {name} ended before the shutdown"
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn brief() -> Backoff {
        Backoff::new(Duration::from_micros(10), Duration::from_micros(20))
    }

    #[tokio::test]
    async fn a_panic_stays_in_its_task() {
        let tasks = Tasks::default();
        tasks
            .spawn("boom", async { panic!("on purpose") })
            .ended()
            .await;
        assert!(tasks.failed().is_none());
        assert!(tasks.shutdown(SOON).await);
    }

    #[tokio::test]
    async fn supervised_work_is_built_again_until_shutdown() {
        let tasks = Tasks::default();
        let (runs, shutdown) = (Arc::new(AtomicU32::new(0)), tasks.shutdown_token());
        let (seen, token) = (runs.clone(), shutdown.clone());
        tasks.supervise("loop", brief(), move || {
            let (run, token) = (seen.fetch_add(1, Ordering::SeqCst), token.clone());
            async move {
                match run {
                    0 => panic!("on purpose"),
                    1 | 2 => {}
                    _ => token.request(),
                }
            }
        });
        tokio::time::timeout(SOON, shutdown.requested())
            .await
            .unwrap();
        assert!(tasks.shutdown(SOON).await);
        assert_eq!(runs.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_limited_policy_ends_its_task() {
        let tasks = Tasks::default();
        let runs = Arc::new(AtomicU32::new(0));
        let seen = runs.clone();
        let make = move || {
            seen.fetch_add(1, Ordering::SeqCst);
            async {}
        };
        tasks
            .supervise("thrice", brief().with_attempts(3), make)
            .ended()
            .await;
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn an_essential_task_takes_the_group_with_it() {
        let tasks = Tasks::default();
        tasks.spawn_essential("server", async {}).ended().await;
        assert!(tasks.shutdown_token().is_requested());
        assert_eq!(tasks.failed(), Some("server"));
    }

    #[tokio::test]
    async fn shutdown_waits_and_then_drops() {
        struct Dropped(Option<oneshot::Sender<()>>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                let _ = self.0.take().map(|sender| sender.send(()));
            }
        }
        let tasks = Tasks::default();
        let (sender, dropped) = oneshot::channel();
        let guard = Dropped(Some(sender));
        tasks.spawn("deaf", async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        let end = tasks.shutdown_token().requested();
        tasks.spawn("polite", end);
        assert!(!tasks.shutdown(Duration::from_millis(20)).await);
        tokio::time::timeout(SOON, dropped).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn work_on_its_own_thread_is_waited_for() {
        let tasks = Tasks::default();
        let (sender, receiver) = oneshot::channel();
        let token = tasks.shutdown_token();
        let make = move || async move {
            token.requested().await;
            let _ = sender.send(std::thread::current().name().map(str::to_owned));
        };
        tasks.spawn_own_thread("beats", make).unwrap();
        assert!(tasks.shutdown(SOON).await);
        assert_eq!(receiver.await.unwrap().as_deref(), Some("beats"));
    }
}
