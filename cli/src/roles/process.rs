//! What every long-running role does: signals, hints, an orderly end.

use std::time::Duration;

use certmill_crypto::seal::LiveKeyring;
use certmill_pg::{LoginKeeper, Pool, UrlSource};
use certmill_queue::process::NewProcess;
use certmill_queue::{BeatOptions, Hinter, Wake};
use certmill_service::history::{self, Witness};
use certmill_service::{Context, Policy};
use certmill_settings::{Pooler, Role, Settings, Wake as WakeBy, read_secret_file};
use certmill_tasks::{Shutdown, Tasks};
use std::sync::Arc;

use super::refusal;
use crate::exit::Exit;
use crate::failure::Failure;

/// The version of this build.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name of this host, as the kernel has it.
pub(super) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// A group of tasks that ends with SIGTERM and SIGINT.
pub(super) fn tasks() -> Result<Tasks, Failure> {
    let tasks = Tasks::new(Shutdown::new());
    tasks
        .shutdown_on_signals()
        .map_err(|why| refusal::system("signals", &why))?;
    Ok(tasks)
}

/// Hints go out, unless the settings say that polling is enough.
pub(super) fn hinter(settings: &Settings, tasks: &Tasks, pool: &Pool) -> Hinter {
    match wake_by(settings) {
        WakeBy::Notify => Hinter::start(tasks, pool.clone()),
        WakeBy::Poll => Hinter::none(),
    }
}

/// Watches over the way to the database for as long as the role runs.
pub(super) fn watch_over(settings: &Settings, tasks: &Tasks, pool: &Pool) {
    keep_login(settings, tasks, pool);
    keep_history(settings, tasks, pool);
}

/// Watches over the login: a refused password is tried again every 5 s only, and read anew where it
/// comes from a file. The embedded database has no such setting and needs no watch.
fn keep_login(settings: &Settings, tasks: &Tasks, pool: &Pool) {
    let Some(url) = settings.database.url.clone() else {
        return;
    };
    let file = settings.database.url_file.clone();
    let source: UrlSource = Arc::new(move || match &file {
        Some(file) => read_secret_file("`database_url_file`", file)
            .map_err(|problem| certmill_pg::Error::Url(problem.to_string())),
        None => Ok(url.clone()),
    });
    let keeper = LoginKeeper::new(pool.clone(), source, settings.database.tls.into());
    let shutdown = tasks.shutdown_token();
    tasks.spawn("login-keeper", async move {
        shutdown.cut_short(keeper.keep()).await;
    });
}

/// Watches over what is known of the database's history, and reports what a failover has lost.
fn keep_history(settings: &Settings, tasks: &Tasks, pool: &Pool) {
    let witness = Witness {
        process: settings.worker.name.clone(),
        role: settings.role.as_str(),
    };
    let (pool, shutdown) = (pool.clone(), tasks.shutdown_token());
    tasks.spawn("history", async move {
        shutdown.cut_short(history::watch(pool, witness)).await;
    });
}

/// A pooler in transaction mode delivers no notification, so that nobody could listen there.
fn wake_by(settings: &Settings) -> WakeBy {
    match settings.database.pooler {
        Pooler::Transaction => WakeBy::Poll,
        Pooler::None => settings.wake,
    }
}

/// Hints come in, unless the settings say that polling is enough.
pub(super) fn wake(settings: &Settings, tasks: &Tasks, pool: &Pool) -> Wake {
    match wake_by(settings) {
        WakeBy::Notify => Wake::listen(tasks, pool.clone()),
        WakeBy::Poll => Wake::polling_only(),
    }
}

/// The service's handles.
pub(super) fn context(
    settings: &Settings,
    pool: Pool,
    hinter: Hinter,
    app_keys: Option<Arc<LiveKeyring>>,
) -> Context {
    Context {
        pool,
        hinter,
        app_keys,
        policy: Policy {
            process_lease: time::Duration::try_from(settings.process.lease)
                .unwrap_or(time::Duration::MAX),
            acknowledge_sealed_keys: settings.acknowledge_sealed_keys,
        },
    }
}

/// How an api stays in the list of processes.
pub(super) fn beat_options_of_api(settings: &Settings, pool: &Pool) -> BeatOptions {
    BeatOptions {
        pool: pool.clone(),
        every: settings.process.beat,
        process: NewProcess {
            role: Role::Api.as_str().into(),
            label: settings.worker.name.clone(),
            version: VERSION.into(),
            queues: Vec::new(),
            kinds: Vec::new(),
            capacity: None,
            limits: Some(settings.api.backend.as_str().into()),
            lease: settings.process.lease,
        },
    }
}

/// Waits for the shutdown, gives the tasks their grace, closes the pool.
pub(super) async fn end(settings: &Settings, tasks: &Tasks, pool: &Pool) -> Exit {
    tasks.shutdown_token().requested().await;
    let drained = tasks.shutdown(settings.shutdown_grace).await;
    // A connection that a dropped task still holds must not keep the process alive.
    let _ = tokio::time::timeout(Duration::from_secs(2), pool.close()).await;
    tracing::info!(event = "stopped", drained);
    if tasks.failed().is_some() {
        Exit::Failed
    } else {
        Exit::Ok
    }
}
