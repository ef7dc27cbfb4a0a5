//! Commands that need no server: settings and the examination of a machine.
//!
//! Invariant: they take the flags of a role, so that they see what that role would see.

use certmill_settings::{Overrides, Role};
use clap::{Args, Subcommand, ValueEnum};

use super::{Global, RoleArgs};

/// Verbs of settings.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Tells everything that is wrong with the settings, and with the files that they name.
    Check(SettingsArgs),
    /// Shows every setting, secrets masked.
    Show {
        /// Say where each value came from.
        #[arg(long)]
        origin: bool,
        /// Whose settings.
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Prints the reference page of settings.
    Docs,
}

/// What `doctor` takes.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Exit with 1 on warnings too.
    #[arg(long)]
    pub strict: bool,
    /// Whose settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Whose settings are meant.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArgs {
    /// The role that would run with them.
    #[arg(long, value_enum, default_value_t)]
    pub role: RoleWord,
    /// What every role takes.
    #[command(flatten)]
    pub flags: RoleArgs,
}

impl SettingsArgs {
    /// The role and its flags as the strongest layer of settings.
    pub fn overrides(self, global: &Global) -> (Role, Overrides) {
        (self.role.into(), self.flags.overrides(global))
    }
}

/// A role by its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// All of them in one process.
    #[default]
    Up,
    /// The HTTPS surface.
    Api,
    /// Runs jobs.
    Worker,
    /// Turns schedules into jobs.
    Scheduler,
    /// Migrates and seeds.
    Migrate,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Up => Self::Up,
            RoleWord::Api => Self::Api,
            RoleWord::Worker => Self::Worker,
            RoleWord::Scheduler => Self::Scheduler,
            RoleWord::Migrate => Self::Migrate,
        }
    }
}
