//! Processes of ours are killed, paused and asked to end.
//!
//! Invariant: when a play ends, every process is up and ready.

use std::time::Instant;

use anyhow::Result;

use crate::suites::faults::site::MEMBERS;
use crate::suites::faults::stage::{APIS, Stage, WORKERS};

/// Kills a busy worker, starts its successor, and goes on with the next.
pub async fn worker_killed(stage: &mut Stage) -> Result<u64> {
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        let name = stage.one_of(&WORKERS);
        stage.until_busy(name).await?;
        stage.site.replace(name)?;
        kills += 1;
        stage.pause(1500, 3500).await;
    }
    for name in WORKERS {
        stage.site.ready(name).await?;
    }
    Ok(kills)
}

/// Pauses a busy worker for longer than its lease, then the other one.
pub async fn worker_paused(stage: &mut Stage) -> Result<u64> {
    let (began, mut pauses) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        let name = stage.one_of(&WORKERS);
        stage.until_busy(name).await?;
        stage.freeze(name).await?;
        pauses += 1;
    }
    Ok(pauses)
}

/// Kills an api under load and starts its successor.
pub async fn api_killed(stage: &mut Stage) -> Result<u64> {
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        let name = stage.one_of(&APIS);
        stage.site.replace(name)?;
        kills += 1;
        stage.site.ready(name).await?;
        stage.pause(800, 2500).await;
    }
    Ok(kills)
}

/// Kills the leader as soon as there is one.
pub async fn leader_killed(stage: &mut Stage) -> Result<u64> {
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        let name = stage.leader().await?;
        stage.site.replace(name)?;
        kills += 1;
        stage.site.ready(name).await?;
        stage.pause(500, 4000).await;
    }
    Ok(kills)
}

/// Pauses an api for longer than its lease.
pub async fn api_paused(stage: &mut Stage) -> Result<u64> {
    let name = stage.one_of(&APIS);
    stage.freeze(name).await?;
    Ok(1)
}

/// Pauses the leader for longer than its lease, again and again.
pub async fn leader_paused(stage: &mut Stage) -> Result<u64> {
    let (began, mut pauses) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        let name = stage.leader().await?;
        stage.freeze(name).await?;
        pauses += 1;
    }
    Ok(pauses)
}

/// Asks each process in turn to end, as a rolling restart does.
pub async fn rolling_restart(stage: &mut Stage) -> Result<u64> {
    for (name, _) in MEMBERS {
        stage.site.restart(name).await?;
        stage.site.ready(name).await?;
    }
    Ok(MEMBERS.len() as u64)
}
