//! Postgres itself is harmed.
//!
//! Invariant: when a play ends, the server takes connections as before.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use certmill_pg::{ConnectOptions, connect_one};
use rustix::process::{Pid, Signal, kill_process};

use crate::suites::faults::stage::Stage;

/// Ends every session of ours but those that a play holds itself.
const END_SESSIONS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE usename = 'certmill_app' AND application_name <> 'certmill-hoarder'";

/// Ends every session of ours, twice a second.
pub async fn sessions_terminated(stage: &mut Stage) -> Result<u64> {
    let (began, mut ended) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        ended += stage.site.ledger.number(END_SESSIONS).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(u64::try_from(ended).unwrap_or(0))
}

/// Kills the postmaster; its supervisor starts the server again, which recovers from its WAL.
pub async fn postmaster_killed(stage: &mut Stage) -> Result<u64> {
    signalled(stage, Signal::KILL).await
}

/// Stops the server at once (`pg_ctl stop -m immediate`), so that it recovers from its WAL.
pub async fn stopped_at_once(stage: &mut Stage) -> Result<u64> {
    signalled(stage, Signal::QUIT).await
}

/// Restarts the server in good order (`-m fast`): every session ends.
pub async fn restarted(stage: &mut Stage) -> Result<u64> {
    signalled(stage, Signal::INT).await
}

/// Signals the postmaster, which its supervisor starts again, until the time is over.
async fn signalled(stage: &mut Stage, signal: Signal) -> Result<u64> {
    let (began, mut times) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        kill_process(process(stage.site.postmaster()?)?, signal)?;
        times += 1;
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.site.ledger.number("SELECT 1::bigint").await?;
        stage.pause(2000, 4000).await;
    }
    Ok(times)
}

/// Kills one session's server process: the postmaster then ends all others and recovers.
pub async fn backend_killed(stage: &mut Stage) -> Result<u64> {
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        let pid = "SELECT pid::bigint FROM pg_stat_activity WHERE usename = 'certmill_app' \
                   ORDER BY state = 'active' DESC, random() LIMIT 1";
        let pid = u32::try_from(stage.site.ledger.number(pid).await?)?;
        // It may have ended by itself meanwhile.
        kills += u64::from(kill_process(process(pid)?, Signal::KILL).is_ok());
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.site.ledger.number("SELECT 1::bigint").await?;
        stage.pause(2000, 4000).await;
    }
    Ok(kills)
}

/// Stops every process of the server for a while, as a machine that hangs.
pub async fn paused(stage: &mut Stage) -> Result<u64> {
    let postmaster = stage.site.postmaster()?;
    let mut all = vec![postmaster];
    all.extend(children_of(postmaster));
    for pid in &all {
        kill_process(process(*pid)?, Signal::STOP).ok();
    }
    tokio::time::sleep(stage.length).await;
    for pid in &all {
        kill_process(process(*pid)?, Signal::CONT).ok();
    }
    Ok(all.len() as u64)
}

/// Takes every connection that the server has left, after ending ours.
pub async fn connections_used_up(stage: &mut Stage) -> Result<u64> {
    let url = stage.site.app_url();
    let options = ConnectOptions {
        acquire_timeout: Duration::from_secs(2),
        ..ConnectOptions::new("hoarder")
    };
    let mut held = Vec::new();
    let (began, mut ended) = (Instant::now(), 0);
    while began.elapsed() < stage.length {
        ended += stage.site.ledger.number(END_SESSIONS).await?;
        // Whoever is quicker has it; the next round takes it away again.
        while let Ok(conn) = connect_one(&url, &options).await {
            held.push(conn);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(u64::try_from(ended)? + held.len() as u64)
}

/// Holds the table of jobs against everybody.
pub async fn jobs_locked(stage: &mut Stage) -> Result<u64> {
    let hold = format!(
        "DO $$ BEGIN LOCK TABLE job IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep({}); END $$",
        stage.length.as_secs()
    );
    stage.site.ledger.execute(&hold).await?;
    Ok(1)
}

/// Somebody keeps a snapshot, so that no dead row can be removed.
pub async fn snapshot_held(stage: &mut Stage) -> Result<u64> {
    let hold = format!("SELECT pg_sleep({})", stage.length.as_secs());
    stage.site.ledger.execute(&hold).await?;
    Ok(1)
}

/// The login's password changes, and the file that holds it some seconds later.
pub async fn password_changed(stage: &mut Stage) -> Result<u64> {
    let password = "changed-by-the-load-test";
    let change = format!("ALTER ROLE certmill_app PASSWORD '{password}'");
    stage.site.ledger.execute(&change).await?;
    let ended = stage.site.ledger.number(END_SESSIONS).await?;
    tokio::time::sleep(stage.length).await;
    stage.site.tell_password(password)?;
    Ok(u64::try_from(ended)?)
}

fn process(pid: u32) -> Result<Pid> {
    Pid::from_raw(i32::try_from(pid)?).context("no process id")
}

/// The processes that this one has started.
fn children_of(pid: u32) -> Vec<u32> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}
