//! The load test: each suite drives real processes and writes its figures in one shape.
//!
//! Invariant: nothing that it starts outlives it, and a figure is only shown where the work that
//! it stands for was done and counted.

mod args;
mod building;
pub mod checks;
mod figure;
pub mod history;
mod machine;
mod page;
mod plot;
mod registry;
mod report;
mod rig;
pub mod say;
mod statistics;
mod suites;
mod table;

use anyhow::Context as _;

pub use crate::args::Args;
use crate::args::Verb;

/// The faults, for the test that plays the short run of them.
pub use suites::faults;

/// Does what the command line asks for.
///
/// # Errors
/// Whatever ends a suite before its end.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.verb {
        Some(Verb::Page) => page::write(),
        Some(Verb::LimitTaker(options)) => suites::limiter::take(options),
        Some(Verb::NoopWorker(options)) => suites::queue::noop_worker::run(options),
        Some(Verb::Faults(options)) => play(options),
        None => registry::run(args),
    }
}

/// Plays faults; a signal ends them and what they started.
///
/// # Errors
/// A fault did not end as it must.
pub fn play(options: &faults::Options) -> anyhow::Result<()> {
    // It fails only where a provider is installed already, which is just as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if options.certmill.is_none() && !options.list {
        building::build()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        tokio::select! {
            ended = faults::run(options) => ended,
            () = registry::interrupted() => anyhow::bail!("interrupted; everything that was started is being stopped"),
        }
    })
}
