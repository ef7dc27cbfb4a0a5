//! Latencies: from the POST to the issued certificate at a steady rate, and of reads beside a load.
//!
//! Invariant: the rate is an open loop: a request is timed from when it was due, so that a slow
//! answer delays no other and hides none.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::{join, try_join_all};

use super::client::{Sender, send_all};
use super::workload;
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::{Door, Rig};
use crate::statistics::percentile;

const PER_SECOND: usize = 50;
const SECONDS: usize = 6;
const READS: usize = 200;
const READ_EVERY: Duration = Duration::from_millis(5);
/// Lasts longer than the reads beside it.
const LOAD: usize = 6000;

/// One round's.
pub struct Latencies {
    issued_p50: f64,
    issued_p99: f64,
    stored_p50: f64,
    stored_p99: f64,
    idle_p50: f64,
    busy_p50: f64,
    busy_p99: f64,
}

/// Measures them, with one worker.
///
/// # Errors
/// A request fails.
pub async fn measure(rig: &Rig, door: &Door, extent: Extent, label: &str) -> Result<Latencies> {
    let client = Sender::connected(door).await?;
    let requests = workload::requests(label, extent.share(PER_SECOND * SECONDS))?;
    let bodies = workload::singly(&requests)?;
    let start = Instant::now() + Duration::from_millis(50);
    let issued = try_join_all(bodies.iter().enumerate().map(|(nth, body)| {
        let due = start
            + Duration::from_secs(1) * u32::try_from(nth).unwrap_or(u32::MAX) / PER_SECOND as u32;
        let client = &client;
        async move {
            tokio::time::sleep_until(due.into()).await;
            client.post_and_wait("/api/v1/certificates", body).await?;
            anyhow::Ok(due.elapsed().as_secs_f64() * 1e3)
        }
    }))
    .await?;
    let stored = rig.database.created_to_issued_ms(label).await?;
    let path = one_of(&client).await?;
    let idle = reads(&client, &path, extent).await?;
    let busy = reads_under_load(rig, door, &client, &path, extent, label).await?;
    let of = |values: &[f64], share| percentile(values, share).context("nothing was issued");
    Ok(Latencies {
        issued_p50: of(&issued, 0.5)?,
        issued_p99: of(&issued, 0.99)?,
        stored_p50: of(&stored, 0.5)?,
        stored_p99: of(&stored, 0.99)?,
        idle_p50: of(&idle, 0.5)?,
        busy_p50: of(&busy, 0.5)?,
        busy_p99: of(&busy, 0.99)?,
    })
}

/// The path of some certificate.
async fn one_of(client: &Sender) -> Result<String> {
    let page = client.get("/api/v1/certificates?limit=1").await?;
    let page: serde_json::Value = serde_json::from_slice(&page)?;
    let id = page["data"][0]["id"]
        .as_str()
        .context("a list without a row")?;
    Ok(format!("/api/v1/certificates/{id}"))
}

async fn reads(client: &Sender, path: &str, extent: Extent) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for _ in 0..extent.share(READS) {
        let start = Instant::now();
        client.get(path).await?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(READ_EVERY).await;
    }
    Ok(took)
}

async fn reads_under_load(
    rig: &Rig,
    door: &Door,
    client: &Sender,
    path: &str,
    extent: Extent,
    label: &str,
) -> Result<Vec<f64>> {
    let requests = workload::requests(&format!("{label}b"), extent.share(LOAD))?;
    let bodies = workload::bulk(&requests, 100)?;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(Sender::connected(door).await?);
    }
    let load = async {
        send_all(&clients, "/api/v1/certificates:bulk", &bodies).await?;
        rig.database
            .drained("issue", Duration::from_secs(120))
            .await
    };
    let (loaded, busy) = join(load, reads(client, path, extent)).await;
    loaded?;
    busy
}

/// The figures of all rounds.
pub fn figures(rounds: &[Latencies]) -> Vec<Figure> {
    let all = |part: fn(&Latencies) -> f64| rounds.iter().map(part).collect::<Vec<f64>>();
    let issued = "POST to issued at 50/s";
    let figure =
        |name: &str, subject: &str, values: &[f64]| Figure::of(name, subject, "ms", values);
    let wanted = |figure: Option<Figure>, bound| figure.map(|f| f.wanted(Wanted::AtMost(bound)));
    let idle = all(|round| round.idle_p50);
    let busy = all(|round| round.busy_p50);
    let found = [
        wanted(
            figure(
                &format!("{issued}, p50"),
                "client, Prefer: wait",
                &all(|r| r.issued_p50),
            ),
            15.0,
        ),
        wanted(
            figure(
                &format!("{issued}, p99"),
                "client, Prefer: wait",
                &all(|r| r.issued_p99),
            ),
            60.0,
        ),
        figure(
            &format!("{issued}, p50"),
            "database, created to issued",
            &all(|r| r.stored_p50),
        ),
        figure(
            &format!("{issued}, p99"),
            "database, created to issued",
            &all(|r| r.stored_p99),
        ),
        figure("GET of a certificate, p50", "api, idle", &idle),
        figure(
            "GET of a certificate, p50",
            "api, while issuing in bulk",
            &busy,
        )
        .map(|f| f.beside("idle", &busy, &idle)),
        figure(
            "GET of a certificate, p99",
            "api, while issuing in bulk",
            &all(|r| r.busy_p99),
        ),
    ];
    found.into_iter().flatten().collect()
}
