//! Commands of an operator beside the database: authorities and key-encryption keys.
//!
//! Invariant: no flag takes a key itself, only the file of one.

use std::path::PathBuf;

use certmill_settings::Overrides;
use clap::{Args, Subcommand, ValueEnum};

use super::Global;
use super::forms::setting;

/// Verbs of authorities.
#[derive(Debug, Subcommand)]
pub enum CaVerb {
    /// Lists authorities, who signs with them, and how many live certificates hang below.
    List(OperatorArgs),
    /// Brings an authority from elsewhere, such as a sub-CA below your organisation's root.
    Import(ImportArgs),
    /// Lets an issuer sign with a new key below the newest root of certmill's own.
    Roll {
        /// The issuer.
        #[arg(long, value_name = "NAME", default_value = "local")]
        issuer: String,
        /// Makes a new root instead, and moves no issuer yet.
        #[arg(long, conflicts_with = "issuer")]
        root: bool,
        /// Where the database is.
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Retires an authority that nothing hangs on: its root is trusted no more.
    Retire {
        /// The authority.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Where the database is.
        #[command(flatten)]
        operator: OperatorArgs,
    },
}

/// What `ca import` takes.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("to").required(true).args(["issuer", "new_issuer"]))]
pub struct ImportArgs {
    /// The authority's name here.
    pub name: String,
    /// PEM of its certificate and of all above it, in any order.
    #[arg(long, value_name = "FILE")]
    pub chain_file: PathBuf,
    /// PEM of the root, if the chain file lacks it.
    #[arg(long, value_name = "FILE")]
    pub root_file: Option<PathBuf>,
    /// PEM of its private key, not encrypted, mode 0600.
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// The issuer that signs with it from now on.
    #[arg(long, value_name = "NAME")]
    pub issuer: Option<String>,
    /// A new issuer that signs with it.
    #[arg(long, value_name = "NAME")]
    pub new_issuer: Option<String>,
    /// Where the database is.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Verbs of key-encryption keys.
#[derive(Debug, Subcommand)]
pub enum KekVerb {
    /// Lists the keys that the database knows, what is sealed under them, and who has them.
    List(OperatorArgs),
    /// Makes the next key's file beside the present one.
    New(PurposeArgs),
    /// Lets the next key seal, and seals everything anew under it; repeat it after any end.
    Rotate(PurposeArgs),
    /// Forgets a key that seals nothing any more.
    Retire {
        /// Its id, 16 hexadecimal digits.
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Where the database is.
        #[command(flatten)]
        operator: OperatorArgs,
    },
}

/// Which of the two keys.
#[derive(Debug, Args)]
pub struct PurposeArgs {
    /// Which key.
    pub purpose: Purpose,
    /// Where the database is.
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// What a key-encryption key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Keys of authorities.
    Ca,
    /// All other secrets.
    App,
}

/// Where the database is, as for a role.
#[derive(Clone, Debug, Default, Args)]
pub struct OperatorArgs {
    /// Postgres; with a password use CERTMILL_DATABASE_URL_FILE or PGPASSFILE.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Any other setting, such as ca_kek_file=PATH; repeat for more.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
}

impl OperatorArgs {
    /// The flags as the strongest layer of settings.
    pub fn overrides(&self, global: &Global) -> Overrides {
        Overrides {
            config: global.config.clone(),
            data_dir: global.data_dir.clone(),
            database_url: self.database_url.clone(),
            set: self.set.clone(),
            ..Overrides::default()
        }
    }
}

impl CaVerb {
    /// Where the database is.
    pub fn operator(&self) -> &OperatorArgs {
        match self {
            Self::List(operator) | Self::Roll { operator, .. } | Self::Retire { operator, .. } => {
                operator
            }
            Self::Import(import) => &import.operator,
        }
    }
}

impl KekVerb {
    /// Where the database is.
    pub fn operator(&self) -> &OperatorArgs {
        match self {
            Self::List(operator) | Self::Retire { operator, .. } => operator,
            Self::New(purpose) | Self::Rotate(purpose) => &purpose.operator,
        }
    }
}
