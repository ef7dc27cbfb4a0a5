//! Starting a worker of ours whose only kind does nothing.
//!
//! Invariant: it is this very program, so that it was built with what starts it.

use std::time::Duration;

use anyhow::Result;

use super::noop_worker::KIND;
use crate::building;
use crate::rig::{Child, Rig};

/// How it is started.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    /// The kind of its jobs.
    pub kind: &'static str,
    /// The lane that it claims from.
    pub lane: &'static str,
    /// Jobs at once.
    pub concurrency: usize,
    /// Whether it may claim from lanes whose jobs sign.
    pub holds_key: bool,
    /// Whether it tells how long each job waited.
    pub tells_starts: bool,
    /// Whether each job writes a row.
    pub effects: bool,
    /// How long each job takes.
    pub work: Duration,
}

impl Worker {
    /// The default settings.
    pub const DEFAULT: Self = Self::of(50);
    /// Wide enough that claims and completions reach the queue's largest batch and overlap.
    pub const WIDE: Self = Self::of(2000);

    /// One that runs this many jobs at once.
    pub const fn of(concurrency: usize) -> Self {
        Self {
            kind: KIND,
            lane: KIND,
            holds_key: false,
            concurrency,
            tells_starts: false,
            effects: false,
            work: Duration::ZERO,
        }
    }

    /// Same, for jobs of another kind, out of another lane, which may want a key.
    #[must_use]
    pub fn instead_of(mut self, kind: &'static str, lane: &'static str) -> Self {
        (self.kind, self.lane, self.holds_key) = (kind, lane, true);
        self
    }

    /// Same, and it tells how long each job waited.
    #[must_use]
    pub fn telling_starts(mut self) -> Self {
        self.tells_starts = true;
        self
    }

    /// Same, with jobs that write a row each.
    #[must_use]
    pub fn with_effects(mut self) -> Self {
        self.effects = true;
        self
    }

    /// Same, with jobs that take this long.
    #[must_use]
    pub fn working(mut self, work: Duration) -> Self {
        self.work = work;
        self
    }

    /// Starts the `nth` of them, which tells when it alone has run `jobs`; whoever adopts it waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(self, rig: &Rig, nth: usize, jobs: usize) -> Result<Child> {
        let mut args: Vec<String> = vec![
            "noop-worker".to_owned(),
            "--url-file".to_owned(),
            rig.path("database.url").display().to_string(),
            "--concurrency".to_owned(),
            self.concurrency.to_string(),
            "--work-ms".to_owned(),
            self.work.as_millis().to_string(),
            "--kind".to_owned(),
            self.kind.to_owned(),
            "--lane".to_owned(),
            self.lane.to_owned(),
        ];
        args.extend(["--jobs".to_owned(), jobs.to_string()]);
        if self.holds_key {
            args.push("--holds-key".to_owned());
        }
        if self.effects {
            args.push("--effects".to_owned());
        }
        if self.tells_starts {
            args.push("--tell-starts".to_owned());
        }
        let log = rig.path(&format!("noop-{nth}.log"));
        Child::start("noop", &building::own()?, &args, &[], &log)
    }
}
