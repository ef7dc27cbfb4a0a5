//! Tests of the test: what they play must be found out.
//!
//! Invariant: a control that is not found out fails the run, for nothing else proves anything then.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use crate::suites::faults::stage::{Stage, WORKERS};

/// A doubled completion must show so soon.
const SHOWS_WITHIN: Duration = Duration::from_secs(80);

/// A worker that stands still must have lost a job to another one so soon.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

/// By then a worker has done what there is to do in a job, and holds back its end: one that is stopped
/// before drops the job when it goes on.
const UNDER_WAY: Duration = Duration::from_millis(100);

/// Pauses workers that finish without a fence, and without the constraints behind it.
pub async fn unfenced(stage: &mut Stage) -> Result<u64> {
    for constraint in ["version_generation_unique", "version_serial_unique"] {
        let drop = format!("ALTER TABLE version DROP CONSTRAINT {constraint}");
        stage.site.ledger.execute(&drop).await?;
    }
    let (began, mut pauses) = (Instant::now(), 0);
    for name in WORKERS.into_iter().cycle() {
        stage.until_busy(name).await?;
        tokio::time::sleep(UNDER_WAY).await;
        freeze_until_taken_over(stage, name).await?;
        pauses += 1;
        // The resumed worker finishes what it holds, and so does its successor.
        let patience = Instant::now() + Duration::from_secs(6);
        while Instant::now() < patience {
            let check = "I2e_one_version_a_generation.sql";
            if !stage.site.ledger.check(check).await?.is_empty() {
                return Ok(pauses);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if began.elapsed() > SHOWS_WITHIN {
            break;
        }
    }
    Ok(pauses)
}

/// Stops a worker until another one runs a job of its, and lets it go on. One that goes on before
/// that ends the job alone, fence or not: its successor finds the order done.
async fn freeze_until_taken_over(stage: &mut Stage, name: &'static str) -> Result<()> {
    stage.site.signal(name, Signal::STOP)?;
    let held = stage.site.ledger.held(name).await?;
    let give_up = Instant::now() + TAKEN_OVER_WITHIN;
    while Instant::now() < give_up && stage.site.ledger.taken_over(&held, name).await? == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(UNDER_WAY).await;
    stage.site.signal(name, Signal::CONT)
}

/// Does nothing for a while.
pub async fn nothing(_stage: &mut Stage) -> Result<u64> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(0)
}
