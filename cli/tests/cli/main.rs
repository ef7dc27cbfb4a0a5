//! The built binary where no server is needed: usage, refusals, exit codes, quiet ends.
#![allow(clippy::unwrap_used)]

mod bench;
mod forms;
mod keys;
mod server;
mod settings;
mod usage;
