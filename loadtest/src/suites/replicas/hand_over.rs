//! Hand-overs of the leadership: by a shutdown and by a crash.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::RngExt as _;

use super::rows;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;

const LEASE_S: f64 = 3.0;
/// For those that are killed: a crash is waited out, which takes a while at the default of 15 s.
const SHORT_LEASE: [(&str, &str); 1] = [("leader.lease_ms", "3000")];
const SCHEDULERS: [&str; 2] = ["scheduler-1", "scheduler-2"];
/// Of each kind, a round.
const RUNS: usize = 10;
/// Somebody must lead so soon, or the suite fails.
const LEADS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How a leader ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Asked,
    Killed,
}

/// Measures both kinds.
///
/// # Errors
/// A process fails, or nobody leads in time.
pub async fn measure(extent: Extent) -> Result<Vec<Figure>> {
    let asked = hand_overs(&[], End::Asked, extent).await?;
    let killed = hand_overs(&SHORT_LEASE, End::Killed, extent).await?;
    let figure = |subject, seconds: &[f64], most_s: f64| {
        let longest = seconds.iter().copied().fold(0.0, f64::max);
        let median = Figure::of("hand-over of the leadership", subject, "s", seconds);
        let longest = Figure::of("longest hand-over", subject, "s", &[longest]);
        let longest = longest.map(|figure| figure.wanted(Wanted::AtMost(most_s)));
        median.into_iter().chain(longest)
    };
    let mut figures: Vec<Figure> = figure("SIGTERM, lease 15 s", &asked, 1.0).collect();
    figures.extend(figure("kill -9, lease 3 s", &killed, LEASE_S + 1.0));
    Ok(figures)
}

/// As many as the extent says; seconds of each.
async fn hand_overs(
    settings: &[(&'static str, &'static str)],
    end: End,
    extent: Extent,
) -> Result<Vec<f64>> {
    let mut rig = Rig::start(settings).await?;
    for name in SCHEDULERS {
        rig.launch(name, "scheduler").await?;
    }
    let mut seconds = Vec::new();
    for nth in 1..=extent.rounds as usize * extent.share(RUNS) {
        let took = hand_over(&mut rig, end).await?;
        say::line(&format!("hand-over {nth}, {end:?}: {:.0} ms", took * 1e3));
        seconds.push(took);
    }
    Ok(seconds)
}

/// Ends the leader; seconds until the next term. Its successor in name is up when this returns.
async fn hand_over(rig: &mut Rig, end: End) -> Result<f64> {
    let (name, epoch) = leads(rig, 0).await?;
    // Not in step with its renewals.
    let pause = rand::rng().random_range(0..2_000);
    tokio::time::sleep(Duration::from_millis(pause)).await;
    let began = Instant::now();
    match end {
        End::Asked => rig.terminate(&name)?,
        End::Killed => rig.kill(&name)?,
    }
    leads(rig, epoch + 1).await?;
    let took = began.elapsed().as_secs_f64();
    if let End::Asked = end {
        rig.stop(&name).await?;
    }
    rig.launch(&name, "scheduler").await?;
    Ok(took)
}

/// Who leads in this epoch or a later one.
async fn leads(rig: &Rig, epoch: i64) -> Result<(String, i64)> {
    let found = async {
        loop {
            match rows::leader(rig.database.pool()).await? {
                Some((name, now)) if now >= epoch => return Ok((name, now)),
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    };
    tokio::time::timeout(LEADS_WITHIN, found)
        .await
        .context("nobody leads")?
}
