//! What `reconcile` takes.

use clap::Args;

/// What `reconcile` takes.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// Declares all that is shown as seen to.
    #[arg(long)]
    pub settle: bool,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT", requires = "settle")]
    pub reason: Option<String>,
}
