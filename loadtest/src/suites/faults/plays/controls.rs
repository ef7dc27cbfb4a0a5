//! Tests of the test: what they play must be found out.
//!
//! Invariant: a control that is not found out fails the run, for nothing else proves anything then.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::suites::faults::stage::{Stage, WORKERS};

/// A doubled completion must show so soon.
const SHOWS_WITHIN: Duration = Duration::from_secs(160);

/// Pauses workers that finish without a fence, and without the constraints behind it.
pub async fn unfenced(stage: &mut Stage) -> Result<u64> {
    for constraint in ["version_generation_unique", "version_serial_unique"] {
        let drop = format!("ALTER TABLE version DROP CONSTRAINT {constraint}");
        stage.site.ledger.execute(&drop).await?;
    }
    let (began, mut pauses) = (Instant::now(), 0);
    for name in WORKERS.into_iter().cycle() {
        stage.until_busy(name).await?;
        stage.freeze(name).await?;
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

/// Does nothing for a while.
pub async fn nothing(_stage: &mut Stage) -> Result<u64> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(0)
}
