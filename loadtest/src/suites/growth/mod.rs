//! The suite `growth`: what a claim, a list, a sweep and a limit cost while the tables grow.
//!
//! Invariant: a size is reached by adding to the one before, so that all of them meet the same server
//! with the same history; every cost is that of the same work.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use certmill_coordination::{Allowance, Ask};
use certmill_pg::embedded::{DATABASE, Login};
use certmill_pg::{ConnectOptions, connect};
use rand::RngExt as _;

use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::Rig;
use crate::say;
use crate::statistics::percentile;
use crate::suites::issuance::client::Sender;
use crate::suites::limiter::LimitTaker;
use crate::suites::limiter::rows::refill;
use crate::suites::queue::backlog::Claims;
use crate::suites::queue::table;
use crate::suites::replicas::{rows, sweep};

/// Its name on the command line and of its file of figures.
pub const NAME: &str = "growth";

/// What the page says of it.
pub const ABOUT: &str = "\
One installation grows: 10,000, then 100,000, then 1,000,000 certificates, as many jobs that are due, and as many keys \
of the limiter. At each size: a claim of 100 jobs that are completed and replaced at once, the first page of 50 \
certificates by way of the api, a sweep that finds nothing due, one that enqueues 1,000 due renewals (the lane of the \
renewals is paused), and one pass of the limiter for a key drawn at random. A ratio is to the smallest size, of the \
medians of the same round.";

/// The sizes, by the names that figures have.
pub const SIZES: [(&str, usize); 3] = [("10k", 10_000), ("100k", 100_000), ("1M", 1_000_000)];

const SETTINGS: [(&str, &str); 3] = [
    ("schedule.renewal_slot_ms", "1000"),
    ("api.rate_per_s", "1000000"),
    ("api.burst", "1000000"),
];
const LIST: &str = "/api/v1/certificates?limit=50";
/// Lists and passes of a round.
const ASKED: usize = 500;
/// Renewals that fall due at once.
const DUE: usize = 1_000;
/// So many slots of the sweep pass while nothing is due.
const IDLE_FOR: Duration = Duration::from_secs(6);

/// What grows at all may grow so much from the smallest size to the largest.
const GROWTH_MAX: f64 = 1.3;

/// What is measured at each size.
const COSTS: [&str; 5] = [
    "claim of 100 jobs",
    "first page of 50",
    "sweep that finds nothing",
    "sweep of 1,000 due",
    "pass of the limiter",
];

/// Milliseconds of each of [`COSTS`], one value a round.
type Costs = [Vec<f64>; COSTS.len()];

/// Runs the suite.
///
/// # Errors
/// A process fails, or something is not done in time.
pub async fn run(extent: Extent) -> Result<Vec<Figure>> {
    let mut rig = Rig::start(&SETTINGS).await?;
    for (name, role) in [
        ("scheduler-1", "scheduler"),
        ("worker-1", "worker"),
        ("api-1", "api"),
    ] {
        rig.launch(name, role).await?;
    }
    let door = rig.door().await?;
    door.open().await?;
    sweep::issue(&rig, &door, 1).await?;
    rows::pause_issuers(rig.database.pool()).await?;
    table::declare_lane(&rig).await?;
    let (reader, claims) = (Sender::connected(&door).await?, Claims::begin(&rig).await?);
    let (mut figures, mut least) = (Vec::new(), None);
    let mut jobs = 0;
    for (size, many) in SIZES {
        let many = extent.share(many);
        say::line(&format!("growing to {many}"));
        rows::fill_up(rig.database.pool(), i64::try_from(many)?).await?;
        table::add(&rig, many - jobs, 0).await?;
        jobs = many;
        refill(&rig, many).await?;
        let costs = measure(&rig, &reader, &claims, many, extent).await?;
        let least = least.get_or_insert_with(|| costs.clone());
        figures.extend(of(size, &costs, least));
    }
    Ok(figures)
}

async fn measure(
    rig: &Rig,
    reader: &Sender,
    claims: &Claims,
    many: usize,
    extent: Extent,
) -> Result<Costs> {
    let mut costs = Costs::default();
    for nth in 1..=extent.rounds {
        let claimed = claims.all_series(rig, extent).await?;
        let measured = [
            median(&claimed.concat())?,
            median(&lists(reader, extent).await?)?,
            median(&idle_sweeps(rig).await?)?,
            sweep_of_due(rig, extent).await?,
            median(&passes(rig, many, extent).await?)?,
        ];
        say::line(&format!("  round {nth}: {measured:.2?} ms"));
        for (cost, ms) in costs.iter_mut().zip(measured) {
            cost.push(ms);
        }
    }
    Ok(costs)
}

fn median(ms: &[f64]) -> Result<f64> {
    percentile(ms, 0.5).context("nothing was measured")
}

async fn lists(reader: &Sender, extent: Extent) -> Result<Vec<f64>> {
    let mut ms = Vec::new();
    for _ in 0..extent.share(ASKED) {
        let began = Instant::now();
        reader.get(LIST).await?;
        ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(ms)
}

async fn idle_sweeps(rig: &Rig) -> Result<Vec<f64>> {
    let pool = rig.database.pool();
    let before = rows::newest_sweep(pool).await?;
    tokio::time::sleep(IDLE_FOR).await;
    rows::sweeps_ms(pool, before, 0).await
}

async fn sweep_of_due(rig: &Rig, extent: Extent) -> Result<f64> {
    let pool = rig.database.pool();
    let due = i32::try_from(extent.share(DUE))?;
    let before = rows::newest_sweep(pool).await?;
    rows::copies_fall_due(pool, due).await?;
    let ms = sweep::sweep_of(rig, before, due).await?;
    rows::forget_renewals(pool).await?;
    Ok(ms)
}

async fn passes(rig: &Rig, keys: usize, extent: Extent) -> Result<Vec<f64>> {
    let options = ConnectOptions::new("api").max_connections(1);
    let pool = connect(&rig.login(Login::App, DATABASE), options).await?;
    let (allowance, limit) = (Allowance::shared(pool), LimitTaker::limit(false));
    let mut ms = Vec::new();
    for _ in 0..extent.share(ASKED) {
        let key = format!("k{}", rand::rng().random_range(0..keys));
        let began = Instant::now();
        allowance.take_strictly([Ask { key: &key, limit }]).await?;
        ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(ms)
}

/// The figures of one size, beside those of the smallest.
fn of(size: &str, costs: &Costs, least: &Costs) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, (ms, small)) in COSTS.iter().zip(costs.iter().zip(least)) {
        let figure = Figure::of(name, size, "ms", ms);
        figures.extend(figure.map(|figure| {
            match size == SIZES[0].0 {
                true => figure,
                false => figure
                    .beside(SIZES[0].0, ms, small)
                    .wanted(Wanted::RatioAtMost(GROWTH_MAX)),
            }
        }));
    }
    figures
}
