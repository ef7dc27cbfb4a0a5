//! The binary of the load test.

use std::process::ExitCode;

use certmill_loadtest::{Args, run, say};
use clap::Parser as _;

fn main() -> ExitCode {
    // It fails only where a provider is installed already, which is just as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
