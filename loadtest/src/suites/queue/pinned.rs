//! The part `pinned`: a drain while a transaction that stays open keeps every dead row alive.
//!
//! Invariant: the same drain runs in the same round without that transaction.
#![allow(
    clippy::disallowed_methods,
    reason = "the load test holds a transaction open"
)]

use std::time::Duration;

use anyhow::Result;
use certmill_pg::embedded::{DATABASE, Login};
use certmill_pg::{ConnectOptions, Connection, connect_one};
use sqlx::Connection as _;

use super::worker::Worker;
use super::{drain, table};
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;

const JOBS: usize = 200_000;
/// Claims of a worker with so many slots are of this size.
const BATCH: usize = 100;

/// Measures both in turn.
///
/// # Errors
/// A process fails, or a job is left.
pub async fn run(rig: &mut Rig, extent: Extent) -> Result<Vec<Figure>> {
    let jobs = extent.share(JOBS);
    let (mut free, mut pinned) = (Vec::new(), Vec::new());
    for nth in 0..extent.rounds {
        say::line(&format!("pinned: round {} of {}", nth + 1, extent.rounds));
        for place in 0..2 {
            if (place + nth) % 2 == 0 {
                free.push(once(rig, jobs).await?);
            } else {
                let holder = hold(rig).await?;
                pinned.push(once(rig, jobs).await?);
                holder.close().await?;
            }
        }
        say::line(&format!(
            "  {:.0} jobs/s, pinned {:.0} jobs/s",
            free[nth as usize], pinned[nth as usize]
        ));
    }
    let name = format!("drain of {jobs} by {BATCH}");
    let free_figure = Figure::of(&name, "certmill", "jobs/s", &free);
    let pinned_figure = Figure::of(&name, "certmill, xmin pinned", "jobs/s", &pinned);
    let pinned_figure = pinned_figure.map(|figure| {
        let figure = figure.beside("certmill", &pinned, &free);
        figure.wanted(Wanted::RatioAtLeast(0.9))
    });
    Ok(free_figure.into_iter().chain(pinned_figure).collect())
}

async fn once(rig: &mut Rig, jobs: usize) -> Result<f64> {
    table::fill(rig, jobs).await?;
    let drained = drain::by_workers(rig, Worker::of(BATCH), 1, jobs).await?;
    Ok(drained.per_second)
}

/// A connection in a transaction with an id and a snapshot, open until it is closed.
async fn hold(rig: &Rig) -> Result<Connection> {
    let options = ConnectOptions {
        idle_in_transaction_timeout: Duration::ZERO,
        transaction_timeout: Duration::ZERO,
        ..ConnectOptions::new("holder")
    };
    let mut connection = connect_one(&rig.login(Login::Superuser, DATABASE), &options).await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}
