//! The demonstration.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::forms::duration;

/// What `demo` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    /// How many certificates the CA is asked for.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub certificates: u32,
    /// End after this long, with exit code 1 if a promise was broken: 90s, 5m.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasts: Option<Duration>,
    /// What to do to the running one.
    #[command(subcommand)]
    pub verb: Option<DemoVerb>,
}

/// What can be done to a running demonstration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DemoVerb {
    /// Kills one process with SIGKILL, and tells what came of it.
    Kill {
        /// Which one.
        #[arg(value_enum)]
        victim: Victim,
    },
    /// Makes the CA slow and faulty for half a minute, and tells what came of it.
    SlowCa,
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// The scheduler that leads.
    Leader,
    /// The worker with the most jobs in its hands.
    Worker,
    /// The api that answers this demonstration.
    Api,
    /// The server process of Postgres.
    Database,
}
