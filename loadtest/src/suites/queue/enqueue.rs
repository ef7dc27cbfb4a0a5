//! The part `enqueue`: jobs into an empty table, many at once and one by one.
//!
//! Invariant: each client uses one connection and its own way; nobody works on the jobs meanwhile.

use std::time::Instant;

use anyhow::Result;
use certmill_pg::embedded::{DATABASE, Login};
use certmill_pg::{ConnectOptions, Pool, begin, connect};
use certmill_queue::{NewJob, TeamId, enqueue, enqueue_all};
use serde_json::json;

use super::noop_worker::KIND;
use super::peers::Room;
use super::table;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;

/// Jobs of one bulk load, and of one batch of it.
const BULK: usize = 50_000;
const BATCH: usize = 5_000;
/// Jobs one by one.
const SINGLE: usize = 2_000;

/// The two ways: name, jobs, and the wish as a multiple of River's.
const WAYS: [(&str, usize, f64); 2] = [("bulk", BULK, 1.2), ("single", SINGLE, 1.0)];

/// Measures all clients in rotated rounds.
///
/// # Errors
/// A client fails.
pub async fn run(rig: &Rig, rooms: &[Room], extent: Extent) -> Result<Vec<Figure>> {
    let options = ConnectOptions::new("api").max_connections(1);
    let own = connect(&rig.login(Login::App, DATABASE), options).await?;
    let mut figures = Vec::new();
    for (verb, jobs, wish) in WAYS {
        let jobs = extent.share(jobs);
        let mut rates = vec![Vec::new(); rooms.len() + 1];
        for nth in 0..extent.rounds as usize {
            say::line(&format!(
                "enqueue {verb}: round {} of {}",
                nth + 1,
                extent.rounds
            ));
            for place in 0..rates.len() {
                let at = (place + nth) % rates.len();
                let (name, rate) = match at.checked_sub(1).map(|at| &rooms[at]) {
                    None => ("certmill", ours(rig, &own, verb, jobs).await?),
                    Some(room) => (room.rival.name, room.enqueue(rig, verb, jobs).await?),
                };
                say::line(&format!("  {name}: {rate:.0} jobs/s"));
                rates[at].push(rate);
            }
        }
        figures.extend(shown(verb, &rates, rooms, wish));
    }
    table::start_over(rig).await?;
    Ok(figures)
}

async fn ours(rig: &Rig, pool: &Pool, verb: &str, jobs: usize) -> Result<f64> {
    table::start_over(rig).await?;
    let began;
    if verb == "bulk" {
        began = Instant::now();
        for from in (0..jobs).step_by(BATCH) {
            let many: Vec<NewJob> = (from..jobs.min(from + BATCH)).map(job).collect();
            let mut tx = begin(pool).await?;
            enqueue_all(&mut tx, &many).await?;
            tx.commit().await?;
        }
    } else {
        let mut connection = pool.acquire().await?;
        began = Instant::now();
        for n in 0..jobs {
            enqueue(&mut connection, &job(n)).await?;
        }
    }
    Ok(jobs as f64 / began.elapsed().as_secs_f64())
}

fn job(n: usize) -> NewJob {
    NewJob::new(TeamId::DEFAULT, KIND, KIND, json!({ "n": n, "us": 0 }))
}

fn shown(verb: &str, rates: &[Vec<f64>], rooms: &[Room], wish: f64) -> Vec<Figure> {
    let name = format!("enqueue, {verb}, one connection");
    let Some((own, others)) = rates.split_first() else {
        return Vec::new();
    };
    let figure = || Figure::of(&name, "certmill", "jobs/s", own);
    let alone = rooms.iter().zip(others);
    let alone =
        alone.filter_map(|(room, rates)| Figure::of(&name, room.rival.name, "jobs/s", rates));
    let beside = rooms.iter().zip(others).filter_map(|(room, rates)| {
        let figure = figure()?.beside(room.rival.name, own, rates);
        Some(match room.rival.name {
            "river" => figure.wanted(Wanted::RatioAtLeast(wish)),
            _ => figure,
        })
    });
    figure().into_iter().chain(alone).chain(beside).collect()
}
