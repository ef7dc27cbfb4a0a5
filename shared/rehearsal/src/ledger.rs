//! What the CA was asked, and what it made of it.

use std::time::{Duration, Instant};

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A new order.
    NewOrder,
    /// The order's certificate, for a CSR.
    Finalize,
    /// To revoke a certificate.
    Revoke,
}

/// One line of the ledger.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Entry {
    /// Since the CA started, by its monotonic clock.
    pub at: Duration,
    /// What was asked.
    pub operation: Operation,
    /// The CA's number of the order; none for one that was refused.
    pub order: Option<u64>,
    /// The names that were asked for.
    pub names: Vec<String>,
    /// Whether it was done.
    pub accepted: bool,
}

/// All lines, oldest first.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    entries: Vec<Entry>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            entries: Vec::new(),
        }
    }

    /// The time of what is about to be noted.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn note(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(crate) fn read(&self) -> Vec<Entry> {
        self.entries.clone()
    }
}
