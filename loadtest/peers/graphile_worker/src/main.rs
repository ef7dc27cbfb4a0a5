//! Drives graphile_worker, the port of graphile-worker to Rust, by the protocol of `../README.md`.
//!
//! Invariant: what it measures is graphile_worker's own worker and utilities; the task only counts.

use std::time::Duration;

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RefetchDelayConfig, TaskHandler,
    WorkerContext, WorkerOptions, WorkerUtils,
};
use peer_protocol::{Asked, Fault, Noop, Profile};
use serde::{Deserialize, Serialize};

/// The job as this library wants it.
#[derive(Clone, Deserialize, Serialize)]
struct Task(Noop);

impl TaskHandler for Task {
    const IDENTIFIER: &'static str = "noop";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        peer_protocol::ran(self.0);
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let asked = Asked::read()?;
    let options = WorkerOptions::default()
        .database_url(&asked.dsn)
        .max_pg_conn(asked.connections(20))
        .define_job::<Task>();
    let worker = tuned(options, asked.profile).init().await?;
    match asked.verb.as_str() {
        // Its tables are made by whoever comes first.
        "setup" => {}
        "work" => {
            peer_protocol::ready();
            worker.run().await?;
        }
        _ => peer_protocol::enqueue(asked, Own(worker.create_utils())).await?,
    }
    Ok(())
}

/// Without a delay its local queue asks again at once whenever it gets less than it has room for:
/// some thousand statements a second when idle.
fn tuned(options: WorkerOptions, profile: Profile) -> WorkerOptions {
    let (concurrency, size, delay_ms) = match profile {
        Profile::Drain => (200, 2000, 20),
        Profile::Latency => (24, 500, 5),
        Profile::Default => return options,
    };
    let refetch = RefetchDelayConfig::default().with_duration(Duration::from_millis(100));
    let delay = Duration::from_millis(delay_ms);
    options
        .concurrency(concurrency)
        .local_queue(LocalQueueConfig::default().with_size(size).with_refetch_delay(refetch))
        .complete_job_batch_delay(delay)
        .fail_job_batch_delay(delay)
}

struct Own(WorkerUtils);

impl peer_protocol::Client for Own {
    async fn one(&mut self, job: Noop) -> Result<(), Fault> {
        self.0.add_job(Task(job), JobSpec::default()).await?;
        Ok(())
    }

    async fn many(&mut self, jobs: Vec<Noop>) -> Result<(), Fault> {
        let spec = JobSpec::default();
        let jobs: Vec<(Task, &JobSpec)> = jobs.into_iter().map(|job| (Task(job), &spec)).collect();
        self.0.add_jobs(&jobs).await?;
        Ok(())
    }
}
