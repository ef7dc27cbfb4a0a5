//! The command line.
//!
//! Invariant: a suite is named by its line in the registry, and nothing else is run.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::suites::faults;
use crate::suites::limiter::LimitTaker;
use crate::suites::queue::noop_worker::NoopWorker;

/// Drives real processes over a throw-away Postgres and prints what they reach.
#[derive(Debug, Parser)]
#[command(
    name = "certmill-loadtest",
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// The suite: issuance, limiter, queue or replicas
    pub suite: Option<String>,
    /// Also writes the figures into this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Interleaved rounds; a figure is the median over them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rounds: u32,
    /// A share of the work of a round, in percent; below 100 the figures are only a rehearsal
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub percent: u32,
    #[command(flatten)]
    pub selection: Selection,
    /// After the rounds, prints the statements that took the most time
    #[arg(long)]
    pub statements: bool,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// A part of a suite, for the suites that have parts.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Selection {
    /// Only these parts of the suite, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "PARTS")]
    pub only: Vec<String>,
    /// Only these of what it is compared with, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub peers: Vec<String>,
}

impl Selection {
    /// Whether nothing was chosen, so that all is meant.
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.peers.is_empty()
    }

    /// Whether this part is asked for.
    pub fn wants_part(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == part)
    }

    /// Whether this one is asked for.
    pub fn wants_peer(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|name| name == peer)
    }
}

/// What is not a suite.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Writes the page of figures from the committed runs
    Page,
    /// Harms real processes while clients ask, and checks what came of it
    Faults(faults::Options),
    /// A process of the limiter suite; started by it
    #[command(hide = true)]
    LimitTaker(LimitTaker),
    /// The worker of the queue suite; started by it
    #[command(hide = true)]
    NoopWorker(NoopWorker),
}
