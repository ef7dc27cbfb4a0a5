//! Verbs of many jobs at once, and of the operations that they become.
//!
//! Invariant: nothing is meant unless a flag names it; states are checked here.

use std::time::Duration;

use certmill_domain::job::JobState;
use certmill_domain::operation::OperationState;
use certmill_wire::{JobSelector, instant};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::PageArgs;
use super::forms::duration;

/// Verbs of many jobs.
#[derive(Debug, Subcommand)]
pub enum BulkVerb {
    /// Makes waiting jobs due and enqueues ended ones anew [default: discarded and retryable ones].
    Retry(BulkArgs),
    /// Ends waiting jobs and asks running ones to stop [default: all that have not ended].
    Cancel(BulkArgs),
    /// Moves waiting jobs to another queue, another priority, or both.
    Move(MoveArgs),
}

/// Which jobs are meant: different flags narrow, a repeated one widens.
#[derive(Debug, Args)]
pub struct SelectorArgs {
    /// In this state; repeat for more.
    #[arg(long, value_parser = PossibleValuesParser::new(JobState::ALL.map(JobState::as_str)))]
    pub state: Vec<String>,
    /// In this queue; repeat for more.
    #[arg(long)]
    pub queue: Vec<String>,
    /// Of this kind; repeat for more.
    #[arg(long)]
    pub kind: Vec<String>,
    /// Whose last failure has this code; repeat for more.
    #[arg(long, value_name = "CODE")]
    pub error_code: Vec<String>,
    /// Whose last failure is of this class, such as `rejected`; repeat for more.
    #[arg(long, value_name = "CLASS")]
    pub error_class: Vec<String>,
    /// About this object, by its id; repeat for more.
    #[arg(long, value_name = "ID")]
    pub object: Vec<String>,
    /// This very job; repeat for more.
    #[arg(long = "id", value_name = "JOB")]
    pub ids: Vec<String>,
    /// Enqueued at or after this instant (RFC 3339).
    #[arg(long, value_name = "INSTANT", value_parser = at)]
    pub created_after: Option<String>,
    /// Enqueued before this instant (RFC 3339).
    #[arg(long, value_name = "INSTANT", value_parser = at)]
    pub created_before: Option<String>,
}

impl SelectorArgs {
    /// As the API takes it.
    pub fn selector(self) -> JobSelector {
        let named = |texts: Vec<String>| (!texts.is_empty()).then_some(texts);
        JobSelector {
            states: named(self.state),
            queues: named(self.queue),
            kinds: named(self.kind),
            error_codes: named(self.error_code),
            error_classes: named(self.error_class),
            objects: named(self.object),
            ids: named(self.ids),
            created_after: self.created_after,
            created_before: self.created_before,
        }
    }
}

/// What is done to many jobs.
#[derive(Debug, Args)]
pub struct BulkArgs {
    /// Which ones.
    #[command(flatten)]
    pub selector: SelectorArgs,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Where many jobs move.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// Which ones.
    #[command(flatten)]
    pub selector: SelectorArgs,
    /// To this queue.
    #[arg(long, value_name = "QUEUE", required_unless_present = "to_priority")]
    pub to_queue: Option<String>,
    /// With this priority, 0 (first) to 4 (last).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=4))]
    pub to_priority: Option<i64>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// How an operation is asked for.
#[derive(Debug, Args)]
pub struct HowArgs {
    /// Only say how many would be meant.
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until it has ended.
    #[arg(long)]
    pub wait: bool,
    /// Wait no longer than this; the operation goes on afterwards.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    pub timeout: Duration,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask before jobs are cancelled.
    #[arg(long)]
    pub yes: bool,
}

/// Verbs of operations.
#[derive(Debug, Subcommand)]
pub enum OperationsVerb {
    /// Lists operations, newest first.
    List(OperationsListArgs),
    /// Shows how far one is.
    Show(OperationArgs),
    /// Stops one before its next step; what was done stays done.
    Abort(AbortArgs),
}

/// What `operations list` takes.
#[derive(Debug, Args)]
pub struct OperationsListArgs {
    /// Only this state; repeat for more.
    #[arg(
        long,
        value_parser = PossibleValuesParser::new(OperationState::ALL.map(OperationState::as_str))
    )]
    pub state: Vec<String>,
    /// Which part.
    #[command(flatten)]
    pub page: PageArgs,
}

/// Names one operation.
#[derive(Debug, Args)]
pub struct OperationArgs {
    /// Its id.
    pub operation: String,
}

/// What `operations abort` takes.
#[derive(Debug, Args)]
pub struct AbortArgs {
    /// Its id.
    pub operation: String,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

fn at(text: &str) -> Result<String, String> {
    let form = |_| "write an instant by RFC 3339, such as 2030-01-01T00:00:00Z".to_owned();
    instant(text).map(|_| text.to_owned()).map_err(form)
}
