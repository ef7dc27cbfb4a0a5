//! The roles of the one binary.
//!
//! Invariant: a flag here is only a stronger layer of a setting, it is checked with the settings.

use certmill_settings::{Overrides, Role};
use clap::{Args, Subcommand};

use super::Global;
use super::forms::setting;

/// The roles of the one binary.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Runs everything in one process, with a database of its own if none is named.
    Up {
        /// Address of the HTTPS surface.
        #[command(flatten)]
        surface: SurfaceArgs,
        /// What the worker in it claims.
        #[command(flatten)]
        work: WorkArgs,
        /// What every role takes.
        #[command(flatten)]
        role: RoleArgs,
    },
    /// Runs the HTTPS surface.
    Api {
        /// Address of the HTTPS surface.
        #[command(flatten)]
        surface: SurfaceArgs,
        /// What every role takes.
        #[command(flatten)]
        role: RoleArgs,
    },
    /// Runs jobs.
    Worker {
        /// What it claims.
        #[command(flatten)]
        work: WorkArgs,
        /// End when nothing is due in its lanes and nothing runs: for workers from zero.
        #[arg(long)]
        drain_and_exit: bool,
        /// What every role takes.
        #[command(flatten)]
        role: RoleArgs,
    },
    /// Turns schedules into jobs; one of all schedulers leads.
    Scheduler {
        /// What every role takes.
        #[command(flatten)]
        role: RoleArgs,
    },
    /// Migrates the database, seeds it, exits.
    Migrate {
        /// Make missing key files.
        #[arg(long)]
        init: bool,
        /// Show what would run, and who would wait for it; change nothing.
        #[arg(long, conflicts_with = "init")]
        plan: bool,
        /// What every role takes.
        #[command(flatten)]
        role: RoleArgs,
    },
}

/// What `migrate` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrating {
    /// Migrates and seeds.
    Schema,
    /// The same, with the key files that are missing.
    WithKeyFiles,
    /// Says what it would run.
    Plan,
}

/// What every role takes.
#[derive(Clone, Debug, Default, Args)]
pub struct RoleArgs {
    /// Postgres; with a password use CERTMILL_DATABASE_URL_FILE or PGPASSFILE.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Name of this process in the cluster.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Form of log lines: json or text.
    #[arg(long, value_name = "FORM")]
    pub log_format: Option<String>,
    /// Which log lines: `info,certmill_queue=debug`.
    #[arg(long, value_name = "DIRECTIVES")]
    pub log_filter: Option<String>,
    /// Any other setting, such as poll_ms=500; repeat for more.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
}

impl RoleArgs {
    /// These flags as the strongest layer of settings.
    pub fn overrides(self, global: &Global) -> Overrides {
        Overrides {
            config: global.config.clone(),
            data_dir: global.data_dir.clone(),
            database_url: self.database_url,
            name: self.name,
            log_format: self.log_format,
            log_filter: self.log_filter,
            set: self.set,
            ..Overrides::default()
        }
    }
}

/// Where the HTTPS surface is.
#[derive(Clone, Debug, Default, Args)]
pub struct SurfaceArgs {
    /// Address and port [default: 127.0.0.1:8443].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// A further name in the server's own certificate; repeat for more.
    #[arg(long = "public-name", value_name = "NAME")]
    pub public_names: Vec<String>,
}

/// What a worker claims.
#[derive(Clone, Debug, Default, Args)]
pub struct WorkArgs {
    /// Queues to claim from, names or globs.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub queues: Vec<String>,
    /// Jobs at once.
    #[arg(long, value_name = "N")]
    pub concurrency: Option<u32>,
}

impl RoleCommand {
    /// The role and its flags as the strongest layer of settings.
    pub fn overrides(self, global: &Global) -> (Role, Overrides) {
        let drain_and_exit = matches!(
            self,
            Self::Worker {
                drain_and_exit: true,
                ..
            }
        );
        let (role, surface, work, common) = match self {
            Self::Up {
                surface,
                work,
                role,
            } => (Role::Up, surface, work, role),
            Self::Api { surface, role } => (Role::Api, surface, WorkArgs::default(), role),
            Self::Worker { work, role, .. } => (Role::Worker, SurfaceArgs::default(), work, role),
            Self::Scheduler { role } => (
                Role::Scheduler,
                SurfaceArgs::default(),
                WorkArgs::default(),
                role,
            ),
            Self::Migrate { role, .. } => (
                Role::Migrate,
                SurfaceArgs::default(),
                WorkArgs::default(),
                role,
            ),
        };
        let overrides = Overrides {
            listen: surface.listen,
            queues: work.queues,
            concurrency: work.concurrency,
            drain_and_exit,
            public_names: surface.public_names,
            ..common.overrides(global)
        };
        (role, overrides)
    }

    /// What `migrate` is to do; of no meaning for the others.
    pub fn migrating(&self) -> Migrating {
        match self {
            Self::Migrate { init: true, .. } => Migrating::WithKeyFiles,
            Self::Migrate { plan: true, .. } => Migrating::Plan,
            _ => Migrating::Schema,
        }
    }
}
