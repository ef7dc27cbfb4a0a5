//! Runs the server process and starts it again when it dies.
//!
//! Invariant: the thread that spawns the server lives exactly as long as it is needed: the
//! kernel signals the server when that thread, hence our process, ends. The data folder's lock
//! is held until the server is gone.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::watch;

use super::account::Account;
use super::socket::Endpoint;
use super::{command, pidfile};
use crate::{Error, Result};

/// How long a stop by SIGINT may take before SIGQUIT.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A run this long counts as healthy: the next failure is the first again.
const HEALTHY_RUN: Duration = Duration::from_secs(10);

/// Failed runs in a row after which a server that never answered is given up: about 11 s, longer
/// than the sessions of a killed predecessor need to notice its end.
const STARTS: u32 = 8;

/// Log file size above which it is cut when the server starts.
const LOG_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// What to run.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) program: OsString,
    pub(super) pgdata: PathBuf,
    pub(super) endpoint: Endpoint,
    pub(super) account: Account,
    pub(super) max_connections: u32,
    pub(super) settings: Vec<(String, String)>,
    pub(super) log: PathBuf,
}

impl Launch {
    fn spawn(&self) -> io::Result<Child> {
        if fs::metadata(&self.log).is_ok_and(|meta| meta.len() > LOG_LIMIT_BYTES) {
            fs::remove_file(&self.log)?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.log)?;
        let mut command = command::bound(&self.program, &self.account, "INT");
        command.arg("-D").arg(&self.pgdata);
        for (name, value) in self.all_settings() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    fn all_settings(&self) -> Vec<(String, String)> {
        let fixed = [("fsync", "on"), ("full_page_writes", "on"), ("ssl", "off")];
        let mut all: Vec<(String, String)> = fixed
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        all.push((
            "max_connections".to_owned(),
            self.max_connections.to_string(),
        ));
        all.extend(self.settings.iter().cloned());
        all.extend(
            self.endpoint
                .settings()
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v)),
        );
        all
    }
}

/// What the supervising thread does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// A server process exists, or is about to be started again.
    Supervised,
    /// It failed too often; the words say how.
    GaveUp(String),
    /// Stopped as asked.
    Stopped,
}

#[derive(Debug, Default)]
struct State {
    pid: Option<Pid>,
    stopping: bool,
    answered: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    status: watch::Sender<Status>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signals under the lock that the reaping thread takes before it reaps: the number cannot
    /// have been given to another process meanwhile.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.state().pid {
            kill_process(pid, signal).ok();
        }
    }
}

/// Handle on the supervised server.
#[derive(Debug)]
pub(super) struct Postmaster {
    shared: Arc<Shared>,
}

impl Postmaster {
    /// Starts the supervising thread, which keeps `lock` until the server is gone.
    pub(super) fn spawn(launch: Launch, lock: File) -> Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            status: watch::channel(Status::Supervised).0,
        });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("certmill-postgres".to_owned())
            .spawn(move || supervise(&launch, &theirs, lock))
            .map_err(|e| Error::Embedded(format!("no thread for the server: {e}")))?;
        Ok(Self { shared })
    }

    /// What the thread does now.
    pub(super) fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// Notes that the server answered once: from now on it is started again without end.
    pub(super) fn note_answer(&self) {
        self.shared.state().answered = true;
    }

    /// The running server's process id.
    pub(super) fn pid(&self) -> Option<u32> {
        let pid = self.shared.state().pid?;
        u32::try_from(pid.as_raw_nonzero().get()).ok()
    }

    /// SIGINT (sessions are ended, a checkpoint is written), after 30 s SIGQUIT.
    pub(super) async fn stop(&self) {
        let mut status = self.shared.status.subscribe();
        self.ask_to_stop();
        let gone = status.wait_for(|s| *s != Status::Supervised);
        if tokio::time::timeout(STOP_TIMEOUT, gone).await.is_ok() {
            return;
        }
        tracing::warn!("the embedded server did not stop in 30 s; it will recover at next start");
        self.shared.signal(Signal::QUIT);
        let gone = status.wait_for(|s| *s != Status::Supervised);
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .ok();
    }

    fn ask_to_stop(&self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_all();
        self.shared.signal(Signal::INT);
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

fn supervise(launch: &Launch, shared: &Shared, lock: File) {
    let mut failures = 0_u32;
    let end = loop {
        pidfile::forget_stale(&launch.pgdata);
        let begun = Instant::now();
        let how = match run_once(launch, shared) {
            Ok(None) => break Status::Stopped,
            Ok(Some(status)) => status.to_string(),
            Err(error) => format!("cannot be started: {error}"),
        };
        if shared.state().stopping {
            break Status::Stopped;
        }
        failures = if begun.elapsed() > HEALTHY_RUN {
            1
        } else {
            failures + 1
        };
        tracing::error!(
            how,
            failures,
            "the embedded server ended; it is started again"
        );
        if failures >= STARTS && !shared.state().answered {
            break Status::GaveUp(format!(
                "the server ended {failures} times in a row ({how})"
            ));
        }
        pause(shared, failures);
    };
    drop(lock);
    shared.status.send_replace(end);
}

/// Starts the server and waits for its end; `None` when a stop was asked for before.
fn run_once(launch: &Launch, shared: &Shared) -> io::Result<Option<ExitStatus>> {
    let mut child = {
        let mut state = shared.state();
        if state.stopping {
            return Ok(None);
        }
        let child = launch.spawn()?;
        state.pid = Some(Pid::from_child(&child));
        child
    };
    let id = WaitId::Pid(Pid::from_child(&child));
    // Sees the end without reaping, so that the number stays ours until the lock is held.
    while let Err(rustix::io::Errno::INTR) =
        waitid(id.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    let mut state = shared.state();
    state.pid = None;
    child.wait().map(Some)
}

/// 0.1 s, doubled with each failure up to 5 s; a stop ends it.
fn pause(shared: &Shared, failures: u32) {
    let delay = Duration::from_millis(100 << failures.saturating_sub(1).min(6));
    let state = shared.state();
    let wait = shared
        .changed
        .wait_timeout_while(state, delay.min(Duration::from_secs(5)), |s| !s.stopping);
    drop(wait);
}
