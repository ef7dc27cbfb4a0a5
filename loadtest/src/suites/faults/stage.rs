//! What a fault has at hand while it is played: the site, the seed's choices, the time.
//!
//! Invariant: every wait has its end, and what a fault does follows from the seed and from what the
//! processes are doing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rustix::process::Signal;

use super::mode::Mode;
use super::site::{MEMBERS, Site};

/// Longer than the lease of a process.
pub const PAUSE: Duration = Duration::from_secs(7);
/// Patience for a moment at which a fault hurts.
const MOMENT: Duration = Duration::from_secs(4);

/// The workers.
pub const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
/// The apis.
pub const APIS: [&str; 2] = ["api-1", "api-2"];

/// The stage of one fault.
pub struct Stage {
    /// The processes.
    pub site: Site,
    /// Draws what is left open.
    pub rng: StdRng,
    /// How long the fault lasts, unless its nature says otherwise.
    pub length: Duration,
    /// When the fault was over.
    pub healed: Instant,
}

impl Stage {
    /// One of these.
    pub fn one_of(&mut self, names: &[&'static str]) -> &'static str {
        names[self.rng.random_range(0..names.len())]
    }

    /// A pause between the two.
    pub async fn pause(&mut self, from_ms: u64, to_ms: u64) {
        let ms = self.rng.random_range(from_ms..to_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Waits a few seconds for the moment at which this worker has jobs.
    ///
    /// # Errors
    /// The database's.
    pub async fn until_busy(&self, name: &str) -> Result<()> {
        let give_up = Instant::now() + MOMENT;
        while Instant::now() < give_up && self.site.ledger.held(name).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The scheduler that leads, for which a few seconds are waited.
    ///
    /// # Errors
    /// Nobody leads.
    pub async fn leader(&self) -> Result<&'static str> {
        let give_up = Instant::now() + MOMENT * 3;
        while Instant::now() < give_up {
            if let Some(label) = self.site.ledger.leader().await? {
                let mut names = MEMBERS.into_iter().map(|member| member.0);
                return names
                    .find(|name| *name == label)
                    .context("a strange leader");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("nobody leads")
    }

    /// Stops a process for longer than its lease, and lets it go on.
    ///
    /// # Errors
    /// It is gone.
    pub async fn freeze(&mut self, name: &'static str) -> Result<()> {
        self.site.signal(name, Signal::STOP)?;
        tokio::time::sleep(PAUSE).await;
        self.site.signal(name, Signal::CONT)
    }

    /// Puts every way to the database into this mode for the length of the fault; how much was hurt.
    ///
    /// # Errors
    /// Never, so far.
    pub async fn all_ways(&mut self, mode: Mode) -> Result<u64> {
        let before = self.hurt();
        self.site.proxies().for_each(|proxy| proxy.set(mode));
        tokio::time::sleep(self.length).await;
        self.heal_ways();
        Ok(self.hurt() - before)
    }

    /// Lets everything pass again.
    pub fn heal_ways(&self) {
        self.site.proxies().for_each(|proxy| proxy.set(Mode::Pass));
    }

    /// How much the proxies have hurt so far.
    pub fn hurt(&self) -> u64 {
        self.site.proxies().map(super::proxy::Proxy::hurt).sum()
    }
}
