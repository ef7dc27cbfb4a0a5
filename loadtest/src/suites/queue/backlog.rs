//! The part `backlog`: how long a claim takes above ever more jobs that wait.
//!
//! Invariant: what is claimed is completed and replaced at once, so that the depth stays what it is.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use certmill_pg::embedded::{DATABASE, Login};
use certmill_pg::{ConnectOptions, Pool, begin, connect};
use certmill_queue::process::{self, NewProcess};
use certmill_queue::{ClaimRequest, ClaimedJob, LowWater, ProcessId, claim_above, finish};

use super::noop_worker::KIND;
use super::table;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;
use crate::statistics::percentile;

const BATCH: u16 = 100;
/// Claims of one series, after those that warm up.
const CLAIMS: usize = 300;
const WARM: usize = 20;
const SERIES: usize = 3;

/// What is shown, jobs that are due, jobs that are due in a day.
const DEPTHS: [(&str, usize, usize); 4] = [
    ("10k due", 10_000, 0),
    ("100k due", 100_000, 0),
    ("1M due", 1_000_000, 0),
    ("1M due, 1M for later", 1_000_000, 1_000_000),
];

/// Claims on a connection of their own, as one worker's.
pub struct Claims {
    pool: Pool,
    process_id: ProcessId,
}

/// Measures each depth, the least first.
///
/// # Errors
/// The database's, or a claim came back short.
pub async fn run(rig: &Rig, extent: Extent) -> Result<Vec<Figure>> {
    let claims = Claims::begin(rig).await?;
    let name = format!("claim of {BATCH}");
    let mut figures = Vec::new();
    let mut least: Option<Vec<f64>> = None;
    for (depth, due, later) in DEPTHS {
        say::line(&format!("backlog: {depth}"));
        table::start_over(rig).await?;
        table::add(rig, extent.share(due), 0).await?;
        if later > 0 {
            table::add(rig, extent.share(later), 24).await?;
        }
        rig.database.settle().await?;
        let series = claims.all_series(rig, extent).await?;
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for ms in &series {
            p50.extend(percentile(ms, 0.5));
            p99.extend(percentile(ms, 0.99));
        }
        figures.extend(Figure::of(&format!("{name}, p50"), depth, "ms", &p50));
        let figure = Figure::of(&format!("{name}, p99"), depth, "ms", &p99);
        let least = least.get_or_insert_with(|| p99.clone());
        figures.extend(figure.map(|figure| {
            match due {
                1_000_000.. => figure
                    .beside(DEPTHS[0].0, &p99, least)
                    .wanted(Wanted::RatioAtMost(1.3)),
                _ => figure,
            }
        }));
    }
    table::start_over(rig).await?;
    Ok(figures)
}

impl Claims {
    /// Registers the worker.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(rig: &Rig) -> Result<Self> {
        let options = ConnectOptions::new("worker").max_connections(1);
        let pool = connect(&rig.login(Login::App, DATABASE), options).await?;
        let claimer = NewProcess {
            role: "worker".into(),
            label: "backlog".into(),
            version: "loadtest".into(),
            queues: vec![KIND.into()],
            kinds: vec![KIND.into()],
            capacity: None,
            limits: None,
            lease: Duration::from_secs(3600),
        };
        let process_id = process::register(&mut *pool.acquire().await?, &claimer).await?;
        Ok(Self { pool, process_id })
    }

    /// Several series of claims; milliseconds of each.
    ///
    /// # Errors
    /// The database's, or a claim came back short.
    pub async fn all_series(&self, rig: &Rig, extent: Extent) -> Result<Vec<Vec<f64>>> {
        let kinds = [KIND.to_owned()];
        let request = ClaimRequest {
            queue: KIND,
            process_id: self.process_id,
            limit: BATCH,
            kinds: Some(&kinds),
            token: None,
            deadline: Duration::from_secs(600),
        };
        let mut mark = LowWater::default();
        for _ in 0..WARM {
            claim_once(rig, &self.pool, &request, &mut mark).await?;
        }
        let mut series = Vec::new();
        for _ in 0..SERIES {
            let mut ms = Vec::new();
            for _ in 0..extent.share(CLAIMS) {
                ms.push(claim_once(rig, &self.pool, &request, &mut mark).await?);
            }
            series.push(ms);
        }
        Ok(series)
    }
}

/// One claim and what puts the table back; returns the milliseconds of the claim alone.
async fn claim_once(
    rig: &Rig,
    pool: &Pool,
    request: &ClaimRequest<'_>,
    mark: &mut LowWater,
) -> Result<f64> {
    let mut connection = pool.acquire().await?;
    let began = Instant::now();
    let claimed: Vec<ClaimedJob> = claim_above(&mut *connection, request, mark).await?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    drop(connection);
    ensure!(
        claimed.len() == usize::from(BATCH),
        "a claim brought {} jobs instead of {BATCH}",
        claimed.len()
    );
    mark.note(&claimed);
    let ended: Vec<_> = claimed
        .iter()
        .map(|job| (job.lease, &serde_json::Value::Null))
        .collect();
    let mut tx = begin(pool).await?;
    finish::complete(&mut tx, &ended).await?;
    tx.commit().await?;
    table::add(rig, claimed.len(), 0).await?;
    Ok(ms)
}
