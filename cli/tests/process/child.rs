//! One process of the cluster, with its log file.
#![allow(clippy::disallowed_methods, reason = "tests read the environment")]

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use certmill_tasks::Process;
use rustix::process::Signal;
use serde_json::Value;

/// Between two looks at what another process does.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running `certmill`.
pub struct Child {
    name: String,
    process: Process,
    log: PathBuf,
    /// Where this incarnation's lines begin in the log, which its predecessors wrote to as well.
    log_from: usize,
}

impl Child {
    /// Starts `certmill` with nothing in its environment but `env`; its log goes to `log`.
    pub fn start(name: &str, args: &[String], env: &[(String, String)], log: &Path) -> Self {
        let build = Path::new(env!("CARGO_BIN_EXE_certmill"));
        Self::start_build(build, name, args, env, log)
    }

    /// As [`Child::start`], for the program of another build.
    pub fn start_build(
        build: &Path,
        name: &str,
        args: &[String],
        env: &[(String, String)],
        log: &Path,
    ) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let log_from = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let more = [("PATH", path.as_str()), ("RUST_BACKTRACE", "1")];
        let more = more.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let env = [more.as_slice(), env].concat();
        let process = Process::start(build, args, &env, file)
            .unwrap_or_else(|why| panic!("{name} does not start: {why}"));
        Self {
            name: name.to_owned(),
            process,
            log: log.to_owned(),
            log_from,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How nice it is to others of its machine.
    pub fn niceness(&self) -> i32 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // proc_pid_stat(5): field 19, counted from the state, which follows the name in brackets.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').nth(19 - 3).unwrap().parse().unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    /// Ends it on the spot, paused or not.
    pub fn kill(&mut self) {
        let status = self.process.kill().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "{} had ended by itself: {status}",
            self.name
        );
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended().unwrap()
    }

    /// Waits for its own end.
    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.process.ended().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} is not over after {within:?}\n{}",
                self.name,
                self.tail()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until this incarnation has logged `event`; fails at once if the process ends.
    pub async fn logged(&mut self, event: &str, within: Duration) -> Value {
        let deadline = Instant::now() + within;
        loop {
            let found = lines(&self.log, self.log_from).find(|line| line["event"] == event);
            if let Some(line) = found {
                return line;
            }
            if let Some(status) = self.process.ended().unwrap() {
                panic!("{} ended with {status}\n{}", self.name, self.tail());
            }
            assert!(
                Instant::now() < deadline,
                "{}: no `{event}` after {within:?}\n{}",
                self.name,
                self.tail()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The last lines of its log, for whoever reads the failure.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(15).collect();
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// The JSON lines of a log from an offset on; a line that is not JSON yet (or at all) is left out.
pub fn lines(log: &Path, from: usize) -> impl Iterator<Item = Value> {
    let bytes = std::fs::read(log).unwrap_or_default();
    let rest = bytes.get(from..).unwrap_or_default();
    let lines: Vec<Value> = rest
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    lines.into_iter()
}
