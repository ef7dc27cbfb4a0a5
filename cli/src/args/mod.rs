//! The command line as types: nouns, verbs, roles and the flags that stand anywhere.
//!
//! Invariant: parsing reads neither environment nor files; a value that comes out has its form.

mod authority;
mod bulk;
mod certs;
mod demo;
mod format;
mod forms;
mod global;
mod jobs;
mod keys;
mod lanes;
mod local;
mod page;
mod profiles;
mod reconcile;
mod roles;
#[cfg(test)]
mod tests;

use clap::{Parser, Subcommand};

pub use authority::{CaVerb, ImportArgs, KekVerb, Purpose};
pub use bulk::{AbortArgs, BulkVerb, HowArgs, OperationsListArgs, OperationsVerb};
pub use certs::{AddArgs, CertsVerb, DownloadArgs, ListArgs, RenewArgs, RevokeArgs, WaitArgs};
pub use demo::{DemoArgs, DemoVerb, Victim};
pub use format::{Format, refusal as form_refusal};
pub use global::Global;
pub use jobs::{JobActionArgs, JobsListArgs, JobsVerb};
pub use keys::{AddKeyArgs, BootstrapArgs, KeysVerb, ListKeysArgs, RevokeKeyArgs, RotateKeyArgs};
pub use lanes::LanesVerb;
pub use local::{ConfigVerb, DoctorArgs, SettingsArgs};
pub use page::PageArgs;
pub use profiles::{AddProfileArgs, ProfilesVerb};
pub use reconcile::ReconcileArgs;
pub use roles::{Migrating, RoleArgs, RoleCommand};

/// certmill keeps TLS certificates issued, renewed and proven served.
#[derive(Debug, Parser)]
#[command(
    name = "certmill",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "First run: `certmill up`, then `certmill certs add shop.example.com --wait`."
)]
pub struct Cli {
    /// Flags that stand before or after the verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Certificates: request, look at, renew, revoke, fetch.
    #[command(subcommand)]
    Certs(CertsVerb),
    /// Jobs: look at, retry, cancel, one or many.
    #[command(subcommand)]
    Jobs(JobsVerb),
    /// Lanes of jobs: what they have to do, pause, resume, limit.
    #[command(subcommand, visible_alias = "queues")]
    Lanes(LanesVerb),
    /// Operations on many jobs: look at, abort.
    #[command(subcommand)]
    Operations(OperationsVerb),
    /// Issuers: who signs.
    #[command(subcommand)]
    Issuers(IssuersVerb),
    /// Profiles: what certificates of one purpose have in common.
    #[command(subcommand)]
    Profiles(ProfilesVerb),
    /// API keys: make, look at, end, replace.
    #[command(subcommand)]
    Keys(KeysVerb),
    /// One sentence of truth, and what runs.
    Status {
        /// Exit with 1 if the sentence says AT RISK.
        #[arg(long)]
        exit_code: bool,
    },
    /// Replicas, who leads and why, what the schedules did, what limits hold.
    Cluster,
    /// After a failover: acknowledged changes of which nothing is left. Ends with 8 while some are open.
    Reconcile(ReconcileArgs),
    /// Says in sentences why something is as it is, and what moves it.
    Explain {
        /// A certificate by name or id, or a job by id.
        #[arg(value_name = "NAME|ID")]
        subject: String,
    },
    /// Shows on this machine what certmill promises: replicas, a CA with limits, and kills.
    Demo(DemoArgs),
    /// Examines settings, machine and database. Needs no server.
    Doctor(DoctorArgs),
    /// Settings: check, show, document. Needs no server.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Authorities that certmill signs with; needs the database's owner login.
    #[command(subcommand)]
    Ca(CaVerb),
    /// Keys that seal secrets; needs the database's owner login.
    #[command(subcommand)]
    Kek(KekVerb),
    /// Roles of a server.
    #[command(flatten)]
    Role(RoleCommand),
}

/// Verbs of issuers.
#[derive(Debug, Subcommand)]
pub enum IssuersVerb {
    /// Lists issuers.
    List(PageArgs),
}
