//! Builds the product as it is shipped, so that nobody measures yesterday's or a debug build; and
//! finds the rivals that were built before.
//!
//! Invariant: the binary that is measured was built by this run from these sources.
#![allow(
    clippy::disallowed_methods,
    reason = "starting cargo is what this file is for"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{page, say};

/// Whether this is a debug build, which can rehearse a suite but measure nothing.
pub const REHEARSAL: bool = cfg!(debug_assertions);

/// Builds `certmill` as we were built; cargo's own progress goes to stderr.
///
/// # Errors
/// Cargo cannot be started, or the build fails.
pub fn build() -> Result<()> {
    say::line(match REHEARSAL {
        true => "rehearsing with a debug build: its figures mean nothing",
        false => "building certmill in release",
    });
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "-p", "certmill-cli"]);
    if !REHEARSAL {
        cargo.arg("--release");
    }
    let status = cargo
        .current_dir(page::root())
        .status()
        .context("cannot start cargo; the load test builds what it measures")?;
    if !status.success() {
        bail!("the build failed ({status})");
    }
    binary().map(|_| ())
}

/// A rival's program, or why it is not there.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Peer {
    /// The name of its folder in `loadtest/peers`.
    pub peer: String,
    /// Its executable.
    pub program: Option<PathBuf>,
    /// Why there is none.
    pub missing: Option<String>,
}

/// Where the rivals are, as `cargo xtask bench-setup` left them; nothing is installed.
///
/// # Errors
/// Cargo cannot be started, or the answer is not understood.
pub fn peers() -> Result<Vec<Peer>> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--locked", "-p", "certmill-xtask", "--"])
        .args(["bench-setup", "--look"])
        .current_dir(page::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo to look for the rivals")?;
    if !output.status.success() {
        bail!("cargo xtask bench-setup --look failed ({})", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// The built binary: it stands beside our own, since cargo puts both into one folder.
///
/// # Errors
/// It is not there.
pub fn binary() -> Result<PathBuf> {
    let binary = own()?.with_file_name("certmill");
    if !binary.is_file() {
        bail!("{} is not there after the build", binary.display());
    }
    Ok(binary)
}

/// This very program.
///
/// # Errors
/// The system does not say.
pub fn own() -> Result<PathBuf> {
    std::env::current_exe().context("the system does not say where our own binary is")
}
