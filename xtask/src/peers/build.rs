//! Builds one rival: an executable `program` in its folder of the cache.
//! Invariant: only what the lock file names is used, and no script of a package runs while it is
//! installed (build scripts of Rust crates apart).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::sources::{Language, SHARED, Sources};
use crate::suites;
use crate::tools::{Cache, install_step};

/// Starts a script with the runtime that was installed beside it.
const LAUNCHER: &str = "#!/bin/sh
here=$(dirname \"$0\")
exec \"$here\"/main/node_modules/node-linux-*/bin/node \"$here/main/main.mjs\" \"$@\"
";

pub(super) fn make(sources: &Sources, cache: &Cache, folder: &Path) -> Result<()> {
    match sources.language {
        Language::Go => go(sources, folder),
        Language::Node => node(sources, folder),
        Language::Rust => rust(sources, cache, folder),
    }
}

fn go(sources: &Sources, folder: &Path) -> Result<()> {
    found("go", "the Go toolchain, 1.26 or newer")?;
    let mut build = Command::new("go");
    build
        .args(["build", "-mod=readonly", "-trimpath", "-o"])
        .arg(folder.join("program"))
        .arg(".")
        .current_dir(&sources.folder);
    install_step(&mut build, "go build")
}

fn node(sources: &Sources, folder: &Path) -> Result<()> {
    found("npm", "npm")?;
    let shared = sources.folder.with_file_name(SHARED);
    copy(&sources.folder, &folder.join("main"))?;
    copy(&shared, &folder.join(SHARED))?;
    let mut install = Command::new("npm");
    // The runtime is one of the packages, so that ours does not matter.
    install
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .current_dir(folder.join("main"));
    install_step(&mut install, "npm ci")?;
    let program = folder.join("program");
    fs::write(&program, LAUNCHER)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// One build folder for all, since they share most of what they depend on.
fn rust(sources: &Sources, cache: &Cache, folder: &Path) -> Result<()> {
    let target = cache.path("peers-build");
    let words = ["build", "--release", "--locked", "--target-dir"];
    let mut build = suites::cargo(&sources.folder, &words, false);
    build.arg(&target);
    install_step(&mut build, "cargo build")?;
    let built = target
        .join("release")
        .join(format!("peer-{}", sources.name));
    fs::copy(&built, folder.join("program"))
        .with_context(|| format!("the build made no {}", built.display()))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn found(program: &str, what: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    bail!("{what} is not installed (`{program}` is not in PATH)")
}
