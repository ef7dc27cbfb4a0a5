//! What stands around the load: idling, and memory after it.
//!
//! Invariant: idling is measured before the first load, so that nothing is still winding down.

use std::time::Duration;

use anyhow::Result;

use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::{Rig, peak_rss_mb};
use crate::say;

const SETTLE: Duration = Duration::from_secs(20);
const WATCH: Duration = Duration::from_secs(60);
/// api, worker and scheduler.
const PROCESSES: f64 = 3.0;

/// Statements a second and process while nothing is asked; `None` where they are not counted.
///
/// # Errors
/// The database's.
pub async fn idle(rig: &Rig, extent: Extent) -> Result<Option<f64>> {
    say::line("watching it idle");
    tokio::time::sleep(SETTLE).await;
    let watch = WATCH * extent.percent / 100;
    let before = rig.database.statements().await?;
    tokio::time::sleep(watch).await;
    let after = rig.database.statements().await?;
    let counted = after.zip(before);
    Ok(counted.map(|(after, before)| (after - before) / watch.as_secs_f64() / PROCESSES))
}

/// Memory, and the idling that was measured before.
///
/// # Errors
/// A process is gone.
pub fn figures(rig: &Rig, idle: Option<f64>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, subject) in [("api-1", "api"), ("worker-1", "worker")] {
        let peak = [peak_rss_mb(rig.pid(name)?)?];
        let figure = Figure::of("peak resident memory", subject, "MB", &peak);
        figures.extend(figure.map(|figure| figure.wanted(Wanted::AtMost(60.0))));
    }
    let idle: Vec<f64> = idle.into_iter().collect();
    let figure = Figure::of(
        "statements of an idle process",
        "mean of api, worker, scheduler",
        "statements/s",
        &idle,
    );
    figures.extend(figure.map(|figure| figure.wanted(Wanted::AtMost(2.0))));
    Ok(figures)
}
