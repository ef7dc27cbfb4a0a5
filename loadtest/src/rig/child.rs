//! One process with its log file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use certmill_tasks::Process;
use rustix::process::Signal;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running process.
pub struct Child {
    name: String,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// As [`Child::start`], as this user and group where we are root; else as whoever we are.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_as(
        (user, group): (u32, u32),
        name: &str,
        program: &Path,
        args: &[String],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Self::start(name, program, args, env, log);
        }
        // A change of the user ends the tie to our end, so that it is tied anew.
        let (user, group) = (user.to_string(), group.to_string());
        let mut all = ["--reuid", &user, "--regid", &group]
            .map(str::to_owned)
            .to_vec();
        all.extend(["--clear-groups", "--pdeathsig", "KILL"].map(str::to_owned));
        all.push(program.display().to_string());
        all.extend_from_slice(args);
        Self::start(name, Path::new("setpriv"), &all, env, log)
    }

    /// Starts a program with nothing in its environment but `env`; its log goes to `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        name: &str,
        program: &Path,
        args: &[String],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let file = File::create(log)?;
        let process = Process::start(program, args, env, file)
            .with_context(|| format!("{name} cannot be started (setpriv is of util-linux)"))?;
        Ok(Self {
            name: name.to_owned(),
            process,
            log: log.to_owned(),
        })
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// It is gone already.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It is gone already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let sent = self.process.signal(signal);
        sent.with_context(|| format!("{} is gone", self.name))
    }

    /// Makes sure that it has not ended.
    ///
    /// # Errors
    /// It has; the words hold the end of its log.
    pub fn require_alive(&mut self) -> Result<()> {
        match self.process.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}\n{}", self.name, self.tail()),
        }
    }

    /// Waits for its own end, which must be a success.
    ///
    /// # Errors
    /// It ends otherwise, or not in time; the words hold the end of its log.
    pub async fn ended_well(&mut self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            match self.process.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} ended with {status}\n{}", self.name, self.tail()),
                None if Instant::now() > deadline => {
                    bail!(
                        "{} does not end within {within:?}\n{}",
                        self.name,
                        self.tail()
                    )
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Waits until it has logged `event`.
    ///
    /// # Errors
    /// It ends, or does not log it in time.
    pub async fn logged(&mut self, event: &str, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        let wanted = format!("\"event\":\"{event}\"");
        loop {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            if text.lines().any(|line| line.contains(&wanted)) {
                return Ok(());
            }
            if let Some(status) = self.process.ended()? {
                bail!("{} ended with {status}\n{}", self.name, self.tail());
            }
            if Instant::now() > deadline {
                bail!(
                    "{}: no `{event}` within {within:?}\n{}",
                    self.name,
                    self.tail()
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The numbers under `key` of all events of that name that it has told so far.
    pub fn numbers(&self, event: &str, key: &str) -> Vec<f64> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let value = |line: &str| {
            let told: serde_json::Value = serde_json::from_str(line).ok()?;
            (told["event"] == event).then(|| told[key].as_f64())?
        };
        text.lines().filter_map(value).collect()
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(10).collect();
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
