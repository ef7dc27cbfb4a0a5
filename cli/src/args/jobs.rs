//! Verbs of jobs.
//!
//! Invariant: states are checked here, so that a mistyped one never means "none found".

use certmill_domain::job::JobState;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::{BulkVerb, PageArgs};

/// Verbs of jobs.
#[derive(Debug, Subcommand)]
pub enum JobsVerb {
    /// Lists jobs, newest first.
    List(JobsListArgs),
    /// Shows one job.
    Show(JobArgs),
    /// Makes a job due now, or enqueues an ended one anew.
    Retry(JobActionArgs),
    /// Cancels a job.
    Cancel(JobActionArgs),
    /// Retries, cancels or moves many jobs as one operation.
    #[command(subcommand)]
    Bulk(BulkVerb),
}

/// What `jobs list` takes.
#[derive(Debug, Args)]
pub struct JobsListArgs {
    /// Only this state; repeat for more.
    #[arg(long, value_parser = PossibleValuesParser::new(JobState::ALL.map(JobState::as_str)))]
    pub state: Vec<String>,
    /// Only this kind; repeat for more.
    #[arg(long)]
    pub kind: Vec<String>,
    /// Only this queue; repeat for more.
    #[arg(long)]
    pub queue: Vec<String>,
    /// Which part.
    #[command(flatten)]
    pub page: PageArgs,
}

/// Names one job.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// Its id, or the name of the certificate that it works on.
    pub job: String,
}

/// What is done to one job.
#[derive(Debug, Args)]
pub struct JobActionArgs {
    /// Its id, or the name of the certificate that it works on.
    pub job: String,
    /// Why; `explain` tells it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}
