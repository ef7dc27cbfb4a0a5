//! Sweeps: how long renewals take that fall due at once, and what a sweep costs in a large table.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::rows;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::{Door, Rig};
use crate::say;
use crate::statistics::percentile;
use crate::suites::issuance::client::{Sender, send_all};
use crate::suites::issuance::workload;

const SETTINGS: [(&str, &str); 3] = [
    ("schedule.renewal_slot_ms", "1000"),
    ("api.rate_per_s", "1000000"),
    ("api.burst", "1000000"),
];
/// Certificates that fall due at once.
const DUE: usize = 2_000;
/// Certificates of a large table.
const MANY: usize = 1_000_000;
/// Of those, due at once.
const MANY_DUE: usize = 10_000;
const RENEWED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
const LIST: &str = "/api/v1/certificates?limit=50";
/// Reads before the load, for comparison.
const IDLE_READS: usize = 500;

/// What a round took with one number of workers.
#[derive(Default)]
struct Taken {
    sweep_s: Vec<f64>,
    due_s: Vec<f64>,
    read_p99_ms: Vec<f64>,
}

/// Measures all of it.
///
/// # Errors
/// A process fails, or something is not renewed.
pub async fn measure(extent: Extent) -> Result<Vec<Figure>> {
    let mut rig = Rig::start(&SETTINGS).await?;
    for (name, role) in [
        ("scheduler-1", "scheduler"),
        (WORKERS[0], "worker"),
        ("api-1", "api"),
    ] {
        rig.launch(name, role).await?;
    }
    let door = rig.door().await?;
    door.open().await?;
    let due = extent.share(DUE);
    issue(&rig, &door, due).await?;
    let reader = Sender::connected(&door).await?;
    let (mut idle, mut with) = (Vec::new(), [Taken::default(), Taken::default()]);
    // The first sweep meets tables that the server has not counted yet.
    renew(&rig, &reader, due).await?;
    for nth in 1..=extent.rounds {
        idle.push(idle_p99_ms(&reader).await?);
        for (workers, taken) in (1..).zip(&mut with) {
            if workers == 2 {
                rig.launch(WORKERS[1], "worker").await?;
            }
            rig.database.settle().await?;
            let (sweep_s, due_s, p99) = renew(&rig, &reader, due).await?;
            say::line(&format!(
                "round {nth}, {workers} worker(s): {due} renewed in {sweep_s:.2} s, {due_s:.2} s after they were due"
            ));
            taken.sweep_s.push(sweep_s);
            taken.due_s.push(due_s);
            taken.read_p99_ms.push(p99);
        }
        rig.stop(WORKERS[1]).await?;
    }
    let mut figures = renewal_figures(&idle, &with);
    figures.extend(large_table(&rig, extent).await?);
    Ok(figures)
}

/// Issues so many certificates.
///
/// # Errors
/// They are refused, or not issued in time.
pub async fn issue(rig: &Rig, door: &Door, many: usize) -> Result<()> {
    say::line(&format!("issuing {many} certificates"));
    let requests = workload::requests("sweep", many)?;
    let clients = [Sender::connected(door).await?];
    let bodies = workload::bulk(&requests, 100)?;
    send_all(&clients, "/api/v1/certificates:bulk", &bodies).await?;
    rig.database.drained("issue", RENEWED_WITHIN).await
}

/// Lets all fall due and waits until they are renewed: seconds from the sweep's claim, seconds from
/// the moment they were due, and the 99th percentile of reads meanwhile.
async fn renew(rig: &Rig, reader: &Sender, many: usize) -> Result<(f64, f64, f64)> {
    let pool = rig.database.pool();
    let generation = rows::fall_due(pool).await?;
    let began = Instant::now();
    let done = async {
        loop {
            if rows::renewed(pool, generation).await? == i64::try_from(many)? {
                return anyhow::Ok(began.elapsed().as_secs_f64());
            }
            ensure!(began.elapsed() < RENEWED_WITHIN, "not all are renewed");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let mut reads = Vec::new();
    let due_s = tokio::select! {
        ended = read_on(reader, &mut reads) => { ended?; 0.0 }
        done = done => done?,
    };
    rig.database.drained("issue", RENEWED_WITHIN).await?;
    let p99 = percentile(&reads, 0.99).unwrap_or(0.0);
    Ok((rows::sweep_to_last_s(pool).await?, due_s, p99))
}

/// Reads until it is dropped; milliseconds of each.
async fn read_on(reader: &Sender, reads: &mut Vec<f64>) -> Result<()> {
    loop {
        let began = Instant::now();
        reader.get(LIST).await?;
        reads.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn idle_p99_ms(reader: &Sender) -> Result<f64> {
    let mut reads = Vec::with_capacity(IDLE_READS);
    for _ in 0..IDLE_READS {
        let began = Instant::now();
        reader.get(LIST).await?;
        reads.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(percentile(&reads, 0.99).unwrap_or(0.0))
}

fn renewal_figures(idle: &[f64], with: &[Taken; 2]) -> Vec<Figure> {
    let [one, two] = with;
    let of = |name: &str, subject: &str, unit: &str, values: &[f64]| {
        Figure::of(name, subject, unit, values)
    };
    let sweep = "2,000 due renewals, issued, from the claim of the sweep";
    let due = "2,000 due renewals, issued, from the moment they are due";
    let read = "p99 of reads while they are issued";
    let beside = |figure: Option<Figure>, own: &[f64], others: &[f64], other: &str| {
        figure.map(|figure| figure.beside(other, own, others))
    };
    let figures = [
        of(sweep, "1 worker", "s", &one.sweep_s).map(|f| f.wanted(Wanted::AtMost(3.0))),
        beside(
            of(sweep, "2 workers", "s", &two.sweep_s),
            &two.sweep_s,
            &one.sweep_s,
            "1 worker",
        )
        .map(|f| f.wanted(Wanted::RatioAtMost(1.0))),
        of(due, "1 worker", "s", &one.due_s),
        of(due, "2 workers", "s", &two.due_s),
        of("p99 of reads", "nothing to do", "ms", idle),
        beside(
            of(read, "1 worker", "ms", &one.read_p99_ms),
            &one.read_p99_ms,
            idle,
            "nothing to do",
        )
        .map(|f| f.wanted(Wanted::RatioAtMost(4.0))),
        beside(
            of(read, "2 workers", "ms", &two.read_p99_ms),
            &two.read_p99_ms,
            idle,
            "nothing to do",
        )
        .map(|f| f.wanted(Wanted::RatioAtMost(4.0))),
    ];
    figures.into_iter().flatten().collect()
}

/// Sweeps over a large table: nothing due, and a cohort due.
async fn large_table(rig: &Rig, extent: Extent) -> Result<Vec<Figure>> {
    let pool = rig.database.pool();
    let many = extent.share(MANY);
    say::line(&format!("filling the table up to {many} certificates"));
    rows::pause_issuers(pool).await?;
    rows::fill_up(pool, i64::try_from(many)?).await?;
    let start = rows::newest_sweep(pool).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let nothing = rows::sweeps_ms(pool, start, 0).await?;
    let (cohort, mut enqueued) = (extent.share(MANY_DUE), Vec::new());
    let taken = i32::try_from(cohort)?;
    for _ in 0..extent.rounds {
        let before = rows::newest_sweep(pool).await?;
        rows::copies_fall_due(pool, taken).await?;
        enqueued.push(sweep_of(rig, before, taken).await? / 1e3);
        rows::forget_renewals(pool).await?;
    }
    let nothing = Figure::of(
        "a sweep that finds nothing due",
        "1M certificates",
        "ms",
        &nothing,
    );
    let cohort = Figure::of(
        "10,000 due renewals, enqueued",
        "1M certificates",
        "s",
        &enqueued,
    );
    let wanted = [
        nothing.map(|figure| figure.wanted(Wanted::AtMost(10.0))),
        cohort.map(|figure| figure.wanted(Wanted::AtMost(2.0))),
    ];
    Ok(wanted.into_iter().flatten().collect())
}

/// Milliseconds of the sweep after this job that took so many.
///
/// # Errors
/// None did in time.
pub async fn sweep_of(rig: &Rig, after: i64, taken: i32) -> Result<f64> {
    let deadline = Instant::now() + RENEWED_WITHIN;
    loop {
        if let Some(ms) = rows::sweeps_ms(rig.database.pool(), after, taken)
            .await?
            .first()
        {
            return Ok(*ms);
        }
        ensure!(
            Instant::now() < deadline,
            "no sweep took {taken} certificates"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
