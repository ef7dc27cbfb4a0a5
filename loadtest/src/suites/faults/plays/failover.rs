//! Another server takes the place of the one that all work on.
//!
//! Invariant: when a play ends, every process works on the promoted server, and has reported what it
//! misses there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::suites::faults::mode::Mode;
use crate::suites::faults::site::{MEMBERS, Site};
use crate::suites::faults::stage::Stage;

/// How much the standby lacks when it is promoted.
const LAG: Duration = Duration::from_millis(1500);
/// A process must have reported so soon.
const REPORTED_WITHIN: Duration = Duration::from_secs(45);
/// One that is led to the old primary once more must refuse it in this time.
const ASTRAY: Duration = Duration::from_secs(4);
/// Whether the standby follows.
const FOLLOWS: &str = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";

/// The half that moves first.
const HALF: [&str; 3] = ["api-2", "worker-2", "scheduler-2"];

/// The standby lags, the primary is gone, the standby takes over: what was not shipped is lost.
pub async fn asynchronous(stage: &mut Stage) -> Result<u64> {
    following(stage).await?;
    take_over(stage).await?;
    lost(stage).await
}

/// The same, where a commit waits for the standby: nothing that was acknowledged may be lost.
pub async fn synchronous(stage: &mut Stage) -> Result<u64> {
    following(stage).await?;
    let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    stage.site.ledger.execute(wait).await?;
    stage
        .site
        .ledger
        .number("SELECT pg_reload_conf()::int::bigint")
        .await?;
    tokio::time::sleep(stage.length / 3).await;
    take_over(stage).await?;
    let lost = lost(stage).await?;
    ensure!(lost == 0, "{lost} changes are reported as lost");
    Ok(1)
}

/// The standby is promoted while the primary works on, each with half of the processes.
pub async fn two_primaries(stage: &mut Stage) -> Result<u64> {
    following(stage).await?;
    stage.site.promote().await?;
    lead(stage, &HALF, Site::lead_to_standby).await?;
    tokio::time::sleep(stage.length).await;
    // One that has seen the new timeline must not go back.
    lead(stage, &["worker-2"], Site::lead_back).await?;
    tokio::time::sleep(ASTRAY).await;
    let refused = |line: &String| line.contains("\"event\":\"server_refused\"");
    ensure!(
        stage.site.log_lines().iter().any(refused),
        "nobody has refused the old primary"
    );
    lead_all_to_standby(stage).await?;
    lost(stage).await
}

async fn following(stage: &Stage) -> Result<()> {
    let follows = stage.site.ledger.number(FOLLOWS).await?;
    ensure!(follows == 1, "the standby does not follow");
    Ok(())
}

/// The way to the standby is cut, work goes on, then everybody is moved to the standby.
async fn take_over(stage: &mut Stage) -> Result<()> {
    let standby = stage.site.standby.as_ref().context("there is no standby")?;
    standby.behind.set(Mode::Silent);
    tokio::time::sleep(LAG).await;
    stage.site.proxies().for_each(|proxy| proxy.set(Mode::Cut));
    stage.site.promote().await?;
    lead_all_to_standby(stage).await
}

async fn lead_all_to_standby(stage: &mut Stage) -> Result<()> {
    let all = MEMBERS.map(|member| member.0);
    lead(stage, &all, Site::lead_to_standby).await
}

/// Ends the connections of these processes, and leads new ones elsewhere.
async fn lead(
    stage: &Stage,
    names: &[&'static str],
    elsewhere: fn(&Site, &str) -> Result<()>,
) -> Result<()> {
    for name in names {
        stage.site.proxy(name)?.set(Mode::Cut);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    for name in names {
        elsewhere(&stage.site, name)?;
        stage.site.proxy(name)?.set(Mode::Pass);
    }
    Ok(())
}

/// Waits until every process has reported; how much is lost.
async fn lost(stage: &Stage) -> Result<u64> {
    let reported = "SELECT count(DISTINCT process) FROM history_cut";
    let everybody = i64::try_from(MEMBERS.len())?;
    let give_up = Instant::now() + REPORTED_WITHIN;
    while stage.site.ledger.number(reported).await? < everybody {
        ensure!(
            Instant::now() < give_up,
            "not every process has reported what it misses"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lost = stage
        .site
        .ledger
        .number("SELECT count(*) FROM lost_write")
        .await?;
    Ok(u64::try_from(lost)?)
}
