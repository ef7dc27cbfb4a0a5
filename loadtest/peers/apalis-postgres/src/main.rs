//! Drives apalis-postgres by the protocol of `../README.md`.
//!
//! Invariant: what it measures is apalis' own storage and worker; the task only counts.

use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage, queries};
use peer_protocol::{Asked, Fault, Noop, Profile};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

const QUEUE: &str = "noop";

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let asked = Asked::read()?;
    let pool = PgPoolOptions::new()
        .min_connections(1)
        .max_connections(asked.connections(10))
        .connect(&asked.dsn)
        .await?;
    match asked.verb.as_str() {
        "setup" => PostgresStorage::setup(&pool).await?,
        "work" => work(&pool, asked.profile).await?,
        _ => {
            let config = Config::default().queue(QUEUE);
            let storage = PostgresStorage::<Noop>::new(&pool).with_config(config);
            peer_protocol::enqueue(asked, Own { pool, storage }).await?;
        }
    }
    Ok(())
}

async fn work(pool: &PgPool, profile: Profile) -> Result<(), Fault> {
    let (config, most) = match profile {
        Profile::Drain => (Config::default().batch_size(5000).lock_tasks(false), 5000),
        Profile::Latency => (Config::default().batch_size(100).lock_tasks(false), 100),
        Profile::Default => (Config::default(), 10),
    };
    let storage = PostgresStorage::<Noop>::new(pool)
        .with_config(config.queue(QUEUE))
        .with_pubsub();
    peer_protocol::ready();
    WorkerBuilder::new(format!("peer-{}", std::process::id()))
        .backend(storage)
        .concurrency(most)
        .parallelize(tokio::spawn)
        .build(task)
        .run()
        .await?;
    Ok(())
}

async fn task(job: Noop) -> Result<(), BoxDynError> {
    peer_protocol::ran(job);
    Ok(())
}

struct Own {
    pool: PgPool,
    storage: PostgresStorage<Noop>,
}

impl peer_protocol::Client for Own {
    async fn one(&mut self, job: Noop) -> Result<(), Fault> {
        self.storage.push(job).await?;
        Ok(())
    }

    async fn many(&mut self, jobs: Vec<Noop>) -> Result<(), Fault> {
        let tasks = jobs
            .iter()
            .map(|job| Ok(TaskBuilder::new(serde_json::to_vec(job)?).build()))
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        let mut tx = self.pool.begin().await?;
        queries::push_tasks(&mut *tx, QUEUE, tasks).await?;
        tx.commit().await?;
        Ok(())
    }
}
