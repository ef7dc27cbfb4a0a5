//! The pooler and its way to Postgres are harmed.
//!
//! Invariant: when a play ends, the pooler is up and everything passes again.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::suites::faults::mode::Mode;
use crate::suites::faults::stage::Stage;

/// Kills the pooler and starts it again.
pub async fn restarted(stage: &mut Stage) -> Result<u64> {
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        let pooler = stage.site.pooler.as_mut().context("no pooler")?;
        pooler.restart().await?;
        kills += 1;
        stage.pause(1500, 3500).await;
    }
    Ok(kills)
}

/// Behind the pooler commits are carried out and not answered: it answers with an error of its own.
pub async fn commit_answers_lost(stage: &mut Stage) -> Result<u64> {
    let behind = &stage.site.pooler.as_ref().context("no pooler")?.behind;
    let before = behind.hurt();
    behind.set(Mode::LoseCommitAnswers(4));
    tokio::time::sleep(stage.length).await;
    behind.set(Mode::Pass);
    Ok(behind.hurt() - before)
}
