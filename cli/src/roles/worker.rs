//! The role `worker`: claims and runs jobs.

use std::sync::Arc;

use certmill_crypto::seal::LiveKeyring;
use certmill_pg::Pool;
use certmill_queue::Hinter;
use certmill_settings::Settings;
use certmill_tasks::Tasks;
use certmill_telemetry::{Ready, ready};
use certmill_worker::{Failpoints, Options, Retention, STOP_PATIENCE};

use super::{database, key_files, keyrings, process};
use crate::exit::Exit;
use crate::failure::Failure;

/// Runs a worker alone.
pub(super) async fn run(settings: Settings) -> Result<Exit, Failure> {
    let files = key_files::of_ca(&settings);
    let loaded = files.load_optional()?;
    let pool = database::pool_with_schema(&settings).await?;
    let tasks = process::tasks()?;
    process::watch_over(&settings, &tasks, &pool);
    let ca_keys = match loaded {
        Some(loaded) => Some(keyrings::hold(&settings, &tasks, &pool, files, loaded).await?),
        None => None,
    };
    let hinter = process::hinter(&settings, &tasks, &pool);
    start(&settings, &tasks, &pool, hinter, ca_keys, true);
    Ok(process::end(&settings, &tasks, &pool).await)
}

/// Starts the worker as a task of the group; `alone` says whether it announces itself.
pub(super) fn start(
    settings: &Settings,
    tasks: &Tasks,
    pool: &Pool,
    hinter: Hinter,
    ca_keys: Option<Arc<LiveKeyring>>,
    alone: bool,
) {
    let options = Options {
        until_empty: alone && settings.worker.drain_and_exit,
        ..options(settings, tasks, pool, hinter, ca_keys)
    };
    let until_empty = options.until_empty;
    let (group, label, queues) = (
        tasks.clone(),
        options.label.clone(),
        options.queues.join(","),
    );
    let announce = move || {
        if alone {
            let version = Some(process::VERSION);
            ready(&Ready {
                role: "worker",
                name: &label,
                queues: Some(&queues),
                version,
                ..Ready::default()
            });
        }
    };
    tasks.spawn_essential("worker", async move {
        if let Err(error) = certmill_worker::run(options, &group, announce).await {
            tracing::error!(event = "worker_failed", %error);
        } else if until_empty {
            tracing::info!(
                event = "drained",
                "nothing is due and nothing runs; the worker ends"
            );
            group.shutdown_token().request();
        }
    });
}

fn options(
    settings: &Settings,
    tasks: &Tasks,
    pool: &Pool,
    hinter: Hinter,
    ca_keys: Option<Arc<LiveKeyring>>,
) -> Options {
    Options {
        pool: pool.clone(),
        label: settings.worker.name.clone(),
        version: process::VERSION.into(),
        queues: settings.worker.queues.clone(),
        until_empty: false,
        concurrency: usize::try_from(settings.worker.concurrency).unwrap_or(usize::MAX),
        lease: settings.process.lease,
        beat: settings.process.beat,
        rescue: settings.process.rescue,
        deadline: settings.job_deadline,
        stop_patience: STOP_PATIENCE,
        grace: settings.shutdown_grace,
        poll: settings.poll,
        wake: process::wake(settings, tasks, pool),
        hinter,
        ca_keys,
        retention: Retention {
            completed_days: settings.keep_completed_days,
            ended_days: settings.keep_ended_days,
        },
        failpoints: Failpoints {
            finish_delay_max: settings.failpoints.finish_delay_max,
            finish_delay_share: settings.failpoints.finish_delay_share,
            unfenced_finish: settings.failpoints.unfenced_finish,
        },
    }
}
