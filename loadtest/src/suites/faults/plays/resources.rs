//! Processor and disk run short.
//!
//! Invariant: when a play ends, there is enough of each.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::suites::faults::stage::Stage;

/// A twentieth of the processor.
const RUNS: Duration = Duration::from_millis(5);
const RESTS: Duration = Duration::from_millis(95);

/// The leader gets five percent of a processor.
pub async fn leader_starved(stage: &mut Stage) -> Result<u64> {
    let name = stage.leader().await?;
    let (began, mut rests) = (Instant::now(), 0);
    while began.elapsed() < stage.length * 2 {
        stage.site.signal(name, Signal::STOP)?;
        tokio::time::sleep(RESTS).await;
        stage.site.signal(name, Signal::CONT)?;
        tokio::time::sleep(RUNS).await;
        rests += 1;
    }
    Ok(rests)
}

/// The server's disk is full.
pub async fn disk_full(stage: &mut Stage) -> Result<u64> {
    let path = stage.site.disk()?.join("filler");
    let mut file = File::create(&path)?;
    let (block, mut blocks) = (vec![1; 1 << 20], 0);
    let began = Instant::now();
    // What the server gives back is taken, too.
    while began.elapsed() < stage.length {
        match file.write_all(&block) {
            Ok(()) => blocks += 1,
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => bail!("{}: {error}", path.display()),
        }
    }
    std::fs::remove_file(&path)?;
    Ok(blocks)
}
