//! The load test: each suite drives real processes and writes its figures in one shape.
//!
//! Invariant: nothing that it starts outlives it, and a figure is only shown where the work that
//! it stands for was done and counted.

mod args;
mod building;
mod figure;
mod machine;
mod page;
mod registry;
mod report;
mod rig;
mod say;
mod statistics;
mod suites;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Verb};

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

fn run(args: &Args) -> anyhow::Result<()> {
    match &args.verb {
        Some(Verb::Page) => page::write(),
        Some(Verb::NoopWorker(options)) => suites::queue::noop_worker::run(options),
        None => registry::run(args),
    }
}
