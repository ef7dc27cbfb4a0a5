//! The options of the suite.
//!
//! Invariant: a fault is named by its entry in the registry.

use std::path::PathBuf;

use clap::Args;

/// What to play.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Only the faults whose names hold this; all without it
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Replays the choices of an earlier run
    #[arg(long)]
    pub seed: Option<u64>,
    /// Only the faults of the short run
    #[arg(long)]
    pub quick: bool,
    /// How long a fault lasts, in seconds
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub length_s: u64,
    /// Also writes what came of each into this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Prints the faults and plays none
    #[arg(long)]
    pub list: bool,
    /// The `certmill` to play with; it is built without this
    #[arg(long, value_name = "FILE")]
    pub certmill: Option<PathBuf>,
    /// A PgBouncer that carries prepared statements in transaction mode (1.21 or newer); without
    /// it the one of this machine stands in between, in session mode
    #[arg(long, value_name = "FILE")]
    pub pgbouncer: Option<PathBuf>,
}

/// What is started.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The product.
    pub certmill: PathBuf,
    /// See [`Options::pgbouncer`].
    pub pgbouncer: Option<PathBuf>,
}
