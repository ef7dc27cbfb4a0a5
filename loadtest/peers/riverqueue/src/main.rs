//! Drives riverqueue, River's client in Rust, by the protocol of `../README.md`.
//!
//! Invariant: what it measures is riverqueue's own client and worker; the handler only counts.

use std::time::Duration;

use peer_protocol::{Asked, Fault, Noop, Profile};
use riverqueue::migrate::PostgresMigrator;
use riverqueue::sqlx::postgres::PgPoolOptions;
use riverqueue::{
    BoxError, Client, InsertOpts, Job, JobArgs, QueueConfig, WorkContext, WorkOutcome, Workers,
};
use serde::{Deserialize, Serialize};

/// The job as this library wants it.
#[derive(Clone, Debug, Deserialize, JobArgs, Serialize)]
#[river(kind = "noop")]
struct Task {
    n: u64,
    us: u64,
}

impl From<Noop> for Task {
    fn from(Noop { n, us }: Noop) -> Self {
        Self { n, us }
    }
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let asked = Asked::read()?;
    let pool = PgPoolOptions::new()
        .min_connections(1)
        .max_connections(asked.connections(20))
        .connect(&asked.dsn)
        .await?;
    match asked.verb.as_str() {
        "setup" => {
            PostgresMigrator::new(pool).migrate_up().await?;
        }
        "work" => {
            let mut workers = Workers::new();
            workers.add_fn(work)?;
            let most = if asked.profile == Profile::Drain { 2000 } else { 100 };
            let mut queue = QueueConfig::new(most);
            let mut client = Client::builder(pool).workers(workers);
            if asked.profile != Profile::Default {
                queue = queue.with_fetch_poll_interval(Duration::from_millis(20));
                client = client.fetch_cooldown(Duration::from_millis(2));
            }
            let client = client.queue("default", queue).build()?;
            peer_protocol::ready();
            client.start()?.wait().await?;
        }
        _ => peer_protocol::enqueue(asked, Own(Client::builder(pool).build()?)).await?,
    }
    Ok(())
}

async fn work(_: WorkContext, job: Job<Task>) -> Result<WorkOutcome, BoxError> {
    let Task { n, us } = job.args;
    peer_protocol::ran(Noop { n, us });
    Ok(WorkOutcome::Complete)
}

struct Own(Client);

impl peer_protocol::Client for Own {
    async fn one(&mut self, job: Noop) -> Result<(), Fault> {
        self.0.insert(Task::from(job)).await?;
        Ok(())
    }

    async fn many(&mut self, jobs: Vec<Noop>) -> Result<(), Fault> {
        let jobs = jobs.into_iter().map(|job| (Task::from(job), InsertOpts::default()));
        self.0.insert_many(jobs).await?;
        Ok(())
    }
}
