//! The roles of the binary: each wires the crates together for one process and waits.
//!
//! Invariant: a role composes and decides nothing; whatever it refuses, it refuses before it
//! says that it is ready.

mod admin;
mod anchors;
mod api;
mod bootstrap_token;
mod database;
pub mod files;
mod key_files;
mod keyrings;
mod migrate;
pub mod operator;
mod process;
pub mod refusal;
mod scheduler;
mod up;
mod worker;

use certmill_settings::{LogFormat, Role, Settings};
use certmill_telemetry::Format;

use crate::args::Migrating;
use crate::exit::Exit;
use crate::failure::Failure;

/// Runs the settings' role until it is told to stop.
pub async fn run(settings: Settings, migrating: Migrating) -> Result<Exit, Failure> {
    let format = match settings.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    certmill_telemetry::init(format, &settings.log.filter)
        .map_err(|why| Failure::new(Exit::Config, "log", "log.filter", &why.to_string(), ""))?;
    match settings.role {
        Role::Up => up::run(settings).await,
        Role::Api => api::run(settings).await,
        Role::Worker => worker::run(settings).await,
        Role::Scheduler => scheduler::run(settings).await,
        Role::Migrate => migrate::run(settings, migrating).await,
    }
}
