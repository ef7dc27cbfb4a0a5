//! Clocks that are wrong, by libfaketime.
//!
//! Invariant: when a play ends, every process has the machine's clock again. The library is loaded
//! without its wrapper `faketime`, which stays in between and would get the signals.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::suites::faults::site::MEMBERS;
use crate::suites::faults::stage::Stage;

/// Where it is on this machine: in the folder of its architecture.
pub fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let mut files = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    files.find(|file| file.exists())
}

/// One of each role is an hour behind, the other an hour ahead.
pub async fn apart(stage: &mut Stage) -> Result<u64> {
    let names = MEMBERS.map(|member| member.0);
    for (nth, name) in names.into_iter().enumerate() {
        let shift = if nth.is_multiple_of(2) { "-1h" } else { "+1h" };
        under(stage, name, shift, false).await?;
    }
    tokio::time::sleep(stage.length).await;
    for name in names {
        stage.site.restart(name).await?;
        stage.site.ready(name).await?;
    }
    Ok(names.len() as u64)
}

/// The leader's clocks run ten times too fast, the monotonic one too.
pub async fn leader_fast(stage: &mut Stage) -> Result<u64> {
    fast(stage, false).await
}

/// The leader's wall clock runs ten times too fast, its monotonic one does not.
pub async fn leader_fast_by_wall(stage: &mut Stage) -> Result<u64> {
    fast(stage, true).await
}

async fn fast(stage: &mut Stage, by_wall_only: bool) -> Result<u64> {
    // Both, so that whoever leads next is too fast as well.
    let names = ["scheduler-1", "scheduler-2"];
    for name in names {
        under(stage, name, "+0 x10", by_wall_only).await?;
    }
    tokio::time::sleep(stage.length).await;
    for name in names {
        stage.site.replace(name)?;
        stage.site.ready(name).await?;
    }
    Ok(names.len() as u64)
}

/// Starts a process anew with a clock that is wrong like that.
async fn under(stage: &mut Stage, name: &'static str, how: &str, by_wall_only: bool) -> Result<()> {
    let library = library().context("there is no libfaketime")?;
    let library = library.display().to_string();
    let env = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME", how),
        ("DONT_FAKE_MONOTONIC", if by_wall_only { "1" } else { "0" }),
    ];
    let env = env.map(|(key, value)| (key.to_owned(), value.to_owned()));
    stage.site.replace_with(name, &env)?;
    stage.site.ready(name).await
}
