//! The older build that the suite `beside` runs with this one: found in the history, built once.
//! Invariant: it is the newest commit with other migrations than HEAD, since with the same ones no
//! schema is ever newer than the build; a parent commit that changed a word of documentation would
//! show nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{cargo, stream};
use crate::tools::Cache;

/// Tells the test where the older program is.
pub const VARIABLE: &str = "CERTMILL_OLDER_BUILD";

/// What a build must know to ask whether a newer schema takes it.
const ASKS: &str = "schema_acceptance";

/// The program of the newest commit that has other migrations; none where such a build could not
/// stay on a newer schema.
///
/// # Errors
/// When the history does not reach so far back, or the build fails.
pub fn older(root: &Path, offline: bool, deadline: Instant) -> Result<Option<PathBuf>> {
    let Some(commit) = commit(root)? else {
        return Ok(None);
    };
    println!("--- the older build is {commit}");
    let key = format!("certmill-build-{commit}");
    let folder = Cache::of_user()?.entry(&key, |folder| {
        build(root, &commit, folder, offline, deadline)
    })?;
    Ok(Some(folder.join("certmill")))
}

/// The commit before the one that touched the migrations last, if it knows the table.
fn commit(root: &Path) -> Result<Option<String>> {
    let words = [
        "log",
        "-1",
        "--first-parent",
        "--format=%H",
        "--",
        "migrations",
    ];
    let newest = git(root, &words)?.context("git does not know this folder's history")?;
    let before = format!("{newest}^");
    let before = git(root, &["rev-parse", "--verify", "--quiet", &before])?
        .context("this clone does not reach back to the build before the newest migration")?;
    let asks = git(
        root,
        &[
            "grep",
            "--files-with-matches",
            ASKS,
            &before,
            "--",
            "migrations",
        ],
    )?;
    Ok(asks.map(|_| before))
}

/// What git printed; none where it failed or printed nothing.
fn git(root: &Path, words: &[&str]) -> Result<Option<String>> {
    let mut command = Command::new("git");
    let output = command.arg("-C").arg(root).args(words).output();
    let output = output.context("git does not start")?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !text.is_empty()).then_some(text))
}

/// Builds the commit in a folder of its own; only the program is kept.
fn build(root: &Path, commit: &str, folder: &Path, offline: bool, deadline: Instant) -> Result<()> {
    let (source, packed) = (folder.join("source"), folder.join("source.tar"));
    fs::create_dir(&source).with_context(|| format!("cannot make {}", source.display()))?;
    let mut pack = Command::new("git");
    pack.arg("-C")
        .arg(root)
        .args(["archive", "--format=tar", "--output"]);
    run(pack.arg(&packed).arg(commit), "git archive", deadline)?;
    let mut unpack = Command::new("tar");
    unpack.arg("-xf").arg(&packed).arg("-C").arg(&source);
    run(&mut unpack, "tar", deadline)?;
    let target = folder.join("target");
    let mut make = cargo(
        &source,
        &["build", "--locked", "--bin", "certmill"],
        offline,
    );
    run(
        make.env("CARGO_TARGET_DIR", &target),
        "the build of the older commit",
        deadline,
    )?;
    let made = target.join("debug/certmill");
    fs::copy(&made, folder.join("certmill"))
        .with_context(|| format!("cannot copy {}", made.display()))?;
    fs::remove_file(&packed)?;
    for spent in [source, target] {
        fs::remove_dir_all(&spent).with_context(|| format!("cannot remove {}", spent.display()))?;
    }
    Ok(())
}

fn run(command: &mut Command, what: &str, deadline: Instant) -> Result<()> {
    let ended = stream::run(command, deadline, &mut std::io::stderr())?;
    ensure!(!ended.timed_out, "{what} took too long");
    ensure!(ended.success, "{what} failed (see above)");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_older_commit_has_other_migrations() {
        let root = crate::root();
        let Ok(Some(commit)) = commit(&root) else {
            return;
        };
        let files =
            |commit: &str| git(&root, &["ls-tree", "--name-only", commit, "migrations/"]).unwrap();
        assert_ne!(files(&commit), files("HEAD"));
    }
}
