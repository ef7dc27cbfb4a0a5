//! The ways between processes and Postgres are harmed.
//!
//! Invariant: when a play ends, everything passes again.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::suites::faults::mode::Mode;
use crate::suites::faults::stage::Stage;

/// Commits are carried out and their answers do not arrive.
pub async fn commit_answers_lost(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::LoseCommitAnswers(4)).await
}

/// Commits do not arrive.
pub async fn commits_lost(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::LoseCommits(4)).await
}

/// Nothing arrives and nothing is closed.
pub async fn silent(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::Silent).await
}

/// Requests arrive and answers do not.
pub async fn answers_swallowed(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::SwallowAnswers).await
}

/// Everything arrives late.
pub async fn late(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::Delay(Duration::from_millis(60))).await
}

/// A line of one megabit a second to each process.
pub async fn narrow(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::Narrow(125_000)).await
}

/// Notifications do not arrive.
pub async fn hints_dropped(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::DropHints).await
}

/// Everybody is cut off.
pub async fn cut(stage: &mut Stage) -> Result<u64> {
    stage.all_ways(Mode::Cut).await
}

/// Connections are reset for half a second of each second.
pub async fn resets(stage: &mut Stage) -> Result<u64> {
    let (began, mut hurt) = (Instant::now(), 0);
    let length = std::mem::replace(&mut stage.length, Duration::from_millis(500));
    while began.elapsed() < length {
        hurt += stage.all_ways(Mode::Reset).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    stage.length = length;
    Ok(hurt)
}

/// The leader's requests arrive, and no answer comes back to it alone.
pub async fn leader_one_way(stage: &mut Stage) -> Result<u64> {
    let name = stage.leader().await?;
    let proxy = stage.site.proxy(name)?;
    let before = proxy.hurt();
    proxy.set(Mode::SwallowAnswers);
    tokio::time::sleep(stage.length).await;
    proxy.set(Mode::Pass);
    Ok(proxy.hurt() - before)
}
