//! The `certmill` binary: client verbs and the roles of a server.
//!
//! Invariant: every end has one of the exit codes of the reference page.

mod args;
mod confirm;
mod connect;
mod demo;
mod exit;
mod failure;
mod key_file;
mod key_on_argv;
mod launch;
mod local;
mod lookup;
mod output;
mod progress;
mod roles;
mod secret_out;
mod session;
mod verbs;
mod wait;
mod yaml;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::exit::Exit;

fn main() -> ExitCode {
    // It fails only where a provider is installed already, which is just as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Err(failure) = key_on_argv::refuse(std::env::args_os().skip(1)) {
        return failure.report();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed output must not turn a help text into a failure.
            let _ = error.print();
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
            return ExitCode::from(code.code());
        }
    };
    launch::launch(cli).unwrap_or_else(|failure| failure.report())
}
