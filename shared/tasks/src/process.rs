//! A program that runs beside this one.
//!
//! Invariant: it never outlives its value, nor the thread that started it: dropped, it is killed by its
//! own id; should this process be killed, the kernel ends it.
#![allow(
    clippy::disallowed_methods,
    reason = "starting processes is what this file is for"
)]

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Where programs are looked for unless the environment that is handed over says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A running program.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a program with nothing in its environment but a path and `env`; both outputs go to `log`.
    ///
    /// # Errors
    /// It cannot be started (it needs setpriv, of util-linux).
    pub fn start(
        program: &Path,
        args: &[String],
        env: &[(String, String)],
        log: File,
    ) -> io::Result<Self> {
        // setpriv becomes the program, so that the id is the program's own.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(args)
            .env_clear()
            .env("PATH", PATH)
            .envs(env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It is gone already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let raw = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let pid = raw.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends it on the spot, paused or not; how it ended.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.0.kill()?;
        self.0.wait()
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// The system's.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Read as _, Seek as _};

    use super::*;

    #[test]
    fn it_gets_the_environment_that_it_is_given_and_ends_when_it_is_killed() {
        let mut log = tempfile::tempfile().unwrap();
        let args = ["-c", "echo \"$SAID $HOME\"; sleep 60"].map(str::to_owned);
        let env = [("SAID".to_owned(), "this".to_owned())];
        let handed = log.try_clone().unwrap();
        let mut process = Process::start(Path::new("/bin/sh"), &args, &env, handed).unwrap();
        assert!(process.ended().unwrap().is_none());
        let mut told = String::new();
        while !told.ends_with('\n') {
            log.rewind().unwrap();
            told.clear();
            log.read_to_string(&mut told).unwrap();
        }
        assert_eq!(told, "this \n");
        assert_eq!(process.kill().unwrap().code(), None, "by a signal");
    }
}
