//! `cargo xtask`: the house rules and the tests, as one program that needs nothing but Rust.
//! Invariant: a green end means that everything asked for has run and passed.
#![allow(clippy::print_stdout, reason = "a command-line tool talks on stdout")]
#![allow(
    clippy::disallowed_methods,
    reason = "starting cargo and reading the environment is its job"
)]

mod peers;
mod suites;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Checks and tests of the certmill workspace"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check the house rules: layers, sizes, names, comments, who may use what
    Tidy,
    /// Run every suite: tidy, habits, build, unit, sql, process, faults; and fuzz with --full
    Test(suites::Choice),
    /// Install the pinned tools that tests call, and print the variable that leads tests to them
    Tools {
        /// Also what only the suites call: cargo-deny, cargo-machete, cargo-fuzz (minutes, once)
        #[arg(long)]
        all: bool,
    },
    /// Build the rivals that the load test measures beside us (minutes, once)
    BenchSetup(peers::Choice),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Tidy => tidy::run(&root()),
        Verb::Test(choice) => suites::run(&root(), &choice),
        Verb::Tools { all } => tools::run(all),
        Verb::BenchSetup(choice) => peers::run(&root(), &choice),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace, which is the parent of this crate's.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}
