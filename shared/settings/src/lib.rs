//! Typed settings of all roles: flags, then environment, then TOML, then defaults.
//!
//! Invariant: only this crate reads the process environment; all problems come back at once, each
//! with its place and what to do, and no value of a secret is ever part of one.

mod client_env;
mod database_url;
mod env;
mod folders;
mod inventory;
mod key;
mod layers;
mod mask;
mod overrides;
mod problem;
mod reader;
mod reference;
mod role;
mod secret_file;
mod sections;
mod settings;
mod suggest;
mod toml_layer;
mod validate;

pub use client_env::ClientEnv;
pub use database_url::DatabaseAddress;
pub use env::Env;
pub use folders::{default_cache_dir, default_data_dir};
pub use inventory::ShownSetting;
pub use overrides::Overrides;
pub use problem::{Error, Problem};
pub use reference::reference_page;
pub use role::Role;
pub use secret_file::{check_key_mode, read_key_bytes, read_key_file, read_secret_file};
pub use settings::{
    ApiLimits, Database, DatabaseTls, Failpoints, Inspection, LimitsBackend, Log, LogFormat,
    Pooler, ProcessLease, Settings, TlsFiles, Wake, Worker,
};
pub use suggest::nearest;

/// A text that must not be shown: its `Debug` is masked and its memory is wiped.
pub type Secret = secrecy::SecretString;
