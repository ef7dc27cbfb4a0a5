//! One round: the limit, then every form of load with one and with two workers, then latencies.
//!
//! Invariant: what was counted as issued is stored, or the round fails.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::client::{Sender, send_all};
use super::{latency, limit, workload};
use crate::figure::{Figure, Wanted};
use crate::registry::Extent;
use crate::rig::{Cpu, Door, Rig};
use crate::say;

const CLIENTS: usize = 8;
const BULK: usize = 8000;
const CALL: usize = 100;
const SINGLE: usize = 2500;
const LIMIT_FOR: Duration = Duration::from_millis(1500);
const DRAIN_WITHIN: Duration = Duration::from_secs(120);
/// The kind of jobs that issue.
const KIND: &str = "issue";

/// One form of load.
#[derive(Clone, Copy)]
struct Form {
    label: &'static str,
    bulk: bool,
    workers: u32,
}

const FORMS: [Form; 4] = [
    Form {
        label: "bulk of 100, 1 worker",
        bulk: true,
        workers: 1,
    },
    Form {
        label: "one by one, 1 worker",
        bulk: false,
        workers: 1,
    },
    Form {
        label: "bulk of 100, 2 workers",
        bulk: true,
        workers: 2,
    },
    Form {
        label: "one by one, 2 workers",
        bulk: false,
        workers: 2,
    },
];

/// What one load cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    per_second: f64,
    api_us: f64,
    workers_us: f64,
    postgres_us: f64,
    client_us: f64,
    wal_bytes: f64,
    statements: Option<f64>,
}

/// All rounds so far.
#[derive(Default)]
pub struct Rounds {
    limits: Vec<f64>,
    costs: [Vec<Cost>; FORMS.len()],
    latencies: Vec<latency::Latencies>,
}

impl Rounds {
    /// Issues certificates that do not count, so that the first round meets tables in use: the
    /// server's plans for empty ones are bad, until it counts the rows a minute later.
    ///
    /// # Errors
    /// As [`Rounds::add`].
    pub async fn warm_up(rig: &Rig, door: &Door, extent: Extent) -> Result<()> {
        load(rig, door, extent, FORMS[0], "warm").await.map(|_| ())
    }

    /// Plays a round.
    ///
    /// # Errors
    /// A process fails, or something that was asked for is not issued.
    pub async fn add(
        &mut self,
        rig: &mut Rig,
        door: &Door,
        extent: Extent,
        nth: u32,
    ) -> Result<()> {
        rig.database.settle().await?;
        let samples = workload::requests(&format!("limit{nth}"), 500)?;
        self.limits.push(limit::measure(&samples, LIMIT_FOR)?);
        for (place, form) in FORMS.iter().enumerate() {
            if form.workers == 2 && rig.pid("worker-2").is_err() {
                rig.launch("worker-2", "worker").await?;
            }
            let cost = load(rig, door, extent, *form, &format!("r{nth}f{place}")).await?;
            say::line(&format!(
                "  {}: {:.0} certificates/s",
                form.label, cost.per_second
            ));
            self.costs[place].push(cost);
        }
        rig.stop("worker-2").await?;
        let label = format!("r{nth}l");
        self.latencies
            .push(latency::measure(rig, door, extent, &label).await?);
        Ok(())
    }

    /// The figures of all rounds.
    pub fn figures(&self) -> Vec<Figure> {
        let limit = Figure::of(
            "parse, verify and sign on one core",
            "limit",
            "certificates/s",
            &self.limits,
        );
        let mut figures: Vec<Figure> = limit.into_iter().collect();
        for (form, costs) in FORMS.iter().zip(&self.costs) {
            figures.extend(self.rate(form, costs));
        }
        for (form, costs) in FORMS.iter().zip(&self.costs) {
            figures.extend(cost_of(form, costs));
        }
        figures.extend(latency::figures(&self.latencies));
        figures
    }

    fn rate(&self, form: &Form, costs: &[Cost]) -> Option<Figure> {
        let rates: Vec<f64> = costs.iter().map(|cost| cost.per_second).collect();
        let figure = Figure::of(form.label, "certmill", "certificates/s", &rates)?;
        let figure = figure.beside("limit", &rates, &self.limits);
        Some(figure.wanted(match form.bulk {
            true => Wanted::RatioAtLeast(0.4),
            false => Wanted::AtLeast(1000.0),
        }))
    }
}

type Part = fn(&Cost) -> f64;

fn cost_of(form: &Form, costs: &[Cost]) -> Vec<Figure> {
    let parts: [(&str, Part); 4] = [
        ("api", |cost| cost.api_us),
        ("workers", |cost| cost.workers_us),
        ("postgres", |cost| cost.postgres_us),
        ("client", |cost| cost.client_us),
    ];
    let mut figures = Vec::new();
    for (subject, part) in parts {
        let values: Vec<f64> = costs.iter().map(part).collect();
        let name = format!("CPU a certificate, {}", form.label);
        figures.extend(Figure::of(&name, subject, "us", &values));
    }
    let wal: Vec<f64> = costs.iter().map(|cost| cost.wal_bytes).collect();
    let name = format!("WAL a certificate, {}", form.label);
    figures.extend(Figure::of(&name, "postgres", "B", &wal));
    let statements: Vec<f64> = costs.iter().filter_map(|cost| cost.statements).collect();
    let name = format!("statements a certificate, {}", form.label);
    figures.extend(Figure::of(&name, "postgres", "statements", &statements));
    figures
}

async fn load(rig: &Rig, door: &Door, extent: Extent, form: Form, label: &str) -> Result<Cost> {
    let many = extent.share(if form.bulk { BULK } else { SINGLE });
    let requests = workload::requests(label, many)?;
    let (path, bodies) = match form.bulk {
        true => (
            "/api/v1/certificates:bulk",
            workload::bulk(&requests, CALL)?,
        ),
        false => ("/api/v1/certificates", workload::singly(&requests)?),
    };
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        clients.push(Sender::connected(door).await?);
    }
    let versions = rig.database.versions().await?;
    let before = Counters::read(rig, form.workers).await?;
    let start = Instant::now();
    send_all(&clients, path, &bodies).await?;
    rig.database.drained(KIND, DRAIN_WITHIN).await?;
    let took = start.elapsed().as_secs_f64();
    let after = Counters::read(rig, form.workers).await?;
    let stored = rig.database.versions().await? - versions;
    ensure!(
        stored == i64::try_from(many)?,
        "{}: {many} were asked for and {stored} are issued",
        form.label
    );
    Ok(after.cost_since(&before, many, took))
}

/// What has been used so far.
struct Counters {
    api: Cpu,
    workers: Vec<Cpu>,
    postgres: Cpu,
    client: Cpu,
    wal_bytes: f64,
    statements: Option<f64>,
}

impl Counters {
    async fn read(rig: &Rig, workers: u32) -> Result<Self> {
        let worker = |n| Cpu::of(rig.pid(&format!("worker-{n}"))?);
        let (wal_bytes, statements) = (
            rig.database.wal_bytes().await?,
            rig.database.statements().await?,
        );
        Ok(Self {
            api: Cpu::of(rig.pid("api-1")?)?,
            workers: (1..=workers).map(worker).collect::<Result<_>>()?,
            postgres: Cpu::of_server(rig.postmaster()?)?,
            client: Cpu::own()?,
            wal_bytes,
            statements,
        })
    }

    fn cost_since(&self, earlier: &Self, many: usize, took: f64) -> Cost {
        let workers = self.workers.iter().zip(&earlier.workers);
        let statements = self.statements.zip(earlier.statements);
        Cost {
            per_second: many as f64 / took,
            api_us: self.api.us_each(earlier.api, many),
            workers_us: workers
                .map(|(after, before)| after.us_each(*before, many))
                .sum(),
            postgres_us: self.postgres.us_each(earlier.postgres, many),
            client_us: self.client.us_each(earlier.client, many),
            wal_bytes: (self.wal_bytes - earlier.wal_bytes) / many as f64,
            statements: statements.map(|(after, before)| (after - before) / many as f64),
        }
    }
}
