//! The role `scheduler`: one of all schedulers leads and turns slots into jobs.

use certmill_pg::Pool;
use certmill_queue::Hinter;
use certmill_scheduler::Options;
use certmill_service::schedules::{self, Periods};
use certmill_settings::Settings;
use certmill_tasks::Tasks;
use certmill_telemetry::{Ready, ready};

use super::{database, process};
use crate::exit::Exit;
use crate::failure::Failure;

/// Runs a scheduler alone.
pub(super) async fn run(settings: Settings) -> Result<Exit, Failure> {
    let pool = database::pool_with_schema(&settings).await?;
    let tasks = process::tasks()?;
    process::watch_over(&settings, &tasks, &pool);
    let hinter = process::hinter(&settings, &tasks, &pool);
    start(&settings, &tasks, &pool, hinter, true);
    Ok(process::end(&settings, &tasks, &pool).await)
}

/// Starts the scheduler as a task of the group; `alone` says whether it announces itself.
pub(super) fn start(settings: &Settings, tasks: &Tasks, pool: &Pool, hinter: Hinter, alone: bool) {
    let options = Options {
        pool: pool.clone(),
        label: settings.worker.name.clone(),
        version: process::VERSION.into(),
        lease: settings.process.lease,
        beat: settings.process.beat,
        leader_lease: settings.leader_lease,
        schedules: schedules::all(Periods {
            renewal: settings.renewal_slot,
        }),
        hinter,
    };
    let (group, label) = (tasks.clone(), options.label.clone());
    let announce = move || {
        if alone {
            let version = Some(process::VERSION);
            ready(&Ready {
                role: "scheduler",
                name: &label,
                version,
                ..Ready::default()
            });
        }
    };
    tasks.spawn_essential("scheduler", async move {
        if let Err(error) = certmill_scheduler::run(options, &group, announce).await {
            tracing::error!(event = "scheduler_failed", %error);
        }
    });
}
