//! A short run of each fuzz target, under the whole test run only.
//! Invariant: what the fuzzer keeps for itself goes below the build folder; the committed corpus is
//! read and never written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{forget_ourselves, stream};
use crate::tools::{CargoTool, Tools};

/// Memory of a target, with the sanitizer's own.
const RSS_MIB_MAX: u32 = 256;
/// An input that takes longer is a finding.
const SLOW_S: u32 = 5;
/// Around the largest input that any reader takes.
const LEN_MAX: u32 = 70_000;
/// A longer text shows a TOML parser nothing new, and takes a hundred times as long; the long
/// entries of the corpus are replayed by the unit tests.
const SETTINGS_LEN_MAX: u32 = 4_096;

/// Names of the targets, from `fuzz/targets/`.
///
/// # Errors
/// When there is none, or the folder cannot be read.
pub fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).context("cannot list fuzz/targets/")? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "fuzz/targets/ is empty");
    Ok(names)
}

/// Runs one target for `seconds`; true when it found nothing.
///
/// # Errors
/// When cargo-fuzz or the nightly compiler is missing and cannot be installed.
pub fn run(root: &Path, tools: Tools, name: &str, seconds: u32, deadline: Instant) -> Result<bool> {
    let program = tools.cargo(CargoTool::Fuzz)?;
    nightly(tools.offline)?;
    let len_max = match name {
        "settings" => SETTINGS_LEN_MAX,
        _ => LEN_MAX,
    };
    let grown = build_folder(root).join("fuzz-corpus").join(name);
    fs::create_dir_all(&grown).with_context(|| format!("cannot make {}", grown.display()))?;
    let mut command = Command::new(program);
    forget_ourselves(&mut command);
    command.current_dir(root).args(["run", name]);
    command
        .arg(&grown)
        .arg(root.join("fuzz/corpus").join(name))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={RSS_MIB_MAX}"))
        .arg(format!("-timeout={SLOW_S}"))
        .arg(format!("-max_len={len_max}"))
        .args(["-print_final_stats=1", "-print_funcs=0"])
        // Freed memory that the sanitizer holds back counts as used.
        .env("ASAN_OPTIONS", "quarantine_size_mb=8:detect_leaks=1")
        // The toolchain of this workspace is pinned to another, and its cargo known by its path.
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .env_remove("CARGO");
    let ended = stream::run(&mut command, deadline, &mut std::io::stdout())?;
    Ok(ended.success)
}

/// Cargo's folder for what it builds.
fn build_folder(root: &Path) -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root.join(given.unwrap_or_else(|| PathBuf::from("target")))
}

/// A nightly compiler, which the sanitizer needs.
fn nightly(offline: bool) -> Result<()> {
    let quiet = |words: &[&str]| {
        let mut command = Command::new("rustup");
        let command = command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if quiet(&["run", "nightly", "rustc", "--version"]) {
        return Ok(());
    }
    ensure!(
        !offline,
        "the nightly compiler is missing and there is no network"
    );
    eprintln!("installing: the nightly compiler, for fuzzing");
    ensure!(
        quiet(&["toolchain", "install", "nightly", "--profile", "minimal"]),
        "the nightly compiler is missing; run: rustup toolchain install nightly"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_target_has_a_corpus() {
        let root = crate::root();
        for name in targets(&root).unwrap() {
            let corpus = root.join("fuzz/corpus").join(&name);
            assert!(fs::read_dir(corpus).unwrap().count() > 0, "{name}");
        }
    }
}
