//! Verbs of lanes and of kinds of jobs.

use clap::{Args, Subcommand};

/// Verbs of lanes.
#[derive(Debug, Subcommand)]
pub enum LanesVerb {
    /// Lists lanes with what they have to do, and paused kinds.
    List,
    /// Shows one lane.
    Show(LaneArgs),
    /// Stops claims from a lane on all workers; what runs is left to end.
    Pause(LaneActionArgs),
    /// Lets a paused lane go on.
    Resume(LaneActionArgs),
    /// Sets how many jobs of a lane run at once over all workers.
    Limit(LaneLimitArgs),
    /// Stops claims of a kind of jobs, in every lane.
    PauseKind(KindArgs),
    /// Lets a paused kind go on.
    ResumeKind(KindArgs),
}

/// Names one lane.
#[derive(Debug, Args)]
pub struct LaneArgs {
    /// Its name.
    pub lane: String,
}

/// What is done to one lane.
#[derive(Debug, Args)]
pub struct LaneActionArgs {
    /// Its name.
    pub lane: String,
    /// Why; `lanes list` and waiting jobs tell it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What `lanes limit` takes.
#[derive(Debug, Args)]
pub struct LaneLimitArgs {
    /// Its name.
    pub lane: String,
    /// So many jobs at once.
    #[arg(
        value_name = "JOBS",
        required_unless_present = "none",
        conflicts_with = "none"
    )]
    pub jobs: Option<i64>,
    /// No limit.
    #[arg(long)]
    pub none: bool,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What is done to one kind of jobs.
#[derive(Debug, Args)]
pub struct KindArgs {
    /// The kind, as `jobs list` shows it.
    pub kind: String,
    /// Why; `lanes list` and waiting jobs tell it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}
