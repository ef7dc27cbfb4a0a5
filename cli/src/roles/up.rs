//! The role `up`: everything in one process, with a database of its own if none is named.

use std::path::Path;
use std::sync::Arc;

use certmill_api::Bound;
use certmill_crypto::seal::LiveKeyring;
use certmill_pg::Pool;
use certmill_pg::embedded::{Embedded, EmbeddedOptions};
use certmill_settings::{Role, Settings};
use certmill_tasks::Tasks;
use certmill_telemetry::{Ready, ready};

use super::database::Urls;
use super::{
    admin, anchors, api, database, files, key_files, keyrings, process, refusal, scheduler, worker,
};
use crate::exit::Exit;
use crate::failure::Failure;

/// Connections of the embedded server that our pool leaves to migrations, beats, hints, `doctor`,
/// a `psql`, and what Postgres keeps for superusers.
const BESIDE_THE_POOL: u32 = 20;

/// Runs all roles. The embedded server is stopped last, when nobody uses it any more.
pub(super) async fn run(settings: Settings) -> Result<Exit, Failure> {
    let embedded = if settings.database.url.is_none() {
        tracing::info!(
            event = "starting",
            "starting Postgres in {}",
            settings.data_dir.display()
        );
        Some(start_embedded(&settings).await?)
    } else {
        files::make_folder(&settings.data_dir)?;
        None
    };
    let urls = match &embedded {
        Some(server) => Urls {
            app: server.app_url(),
            owner: server.owner_url(),
        },
        None => database::urls(&settings)?,
    };
    let ended = run_roles(&settings, &urls).await;
    if let Some(server) = embedded {
        server.stop().await;
    }
    ended
}

async fn start_embedded(settings: &Settings) -> Result<Embedded, Failure> {
    let mut options = EmbeddedOptions::new(&settings.data_dir, &settings.database.cache_dir);
    options.bin_dir.clone_from(&settings.database.bin_dir);
    let wanted = settings.max_connections(Role::Up) + BESIDE_THE_POOL;
    options.max_connections = options.max_connections.max(wanted);
    Embedded::start(options, &|step| {
        tracing::info!(event = "postgres", "{step}")
    })
    .await
    .map_err(refusal::database)
}

async fn run_roles(settings: &Settings, urls: &Urls) -> Result<Exit, Failure> {
    database::prepare(settings, urls, true).await?;
    let pool = database::app_pool(settings, Role::Up, &urls.app).await?;
    admin::ensure_key(&pool, settings).await?;
    let tasks = process::tasks()?;
    process::watch_over(settings, &tasks, &pool);
    let (ca, app) = (key_files::of_ca(settings), key_files::of_app(settings));
    let (ca_loaded, app_loaded) = (ca.load()?, app.load()?);
    let ca_keys = keyrings::hold(settings, &tasks, &pool, ca, ca_loaded).await?;
    let app_keys = keyrings::hold(settings, &tasks, &pool, app, app_loaded).await?;
    api::register(settings, &tasks, &pool).await?;
    if let Err(failure) = open(settings, &tasks, &pool, ca_keys, app_keys).await {
        // So that the list does not show it until its lease is over.
        tasks.shutdown(settings.shutdown_grace).await;
        return Err(failure);
    }
    Ok(process::end(settings, &tasks, &pool).await)
}

async fn open(
    settings: &Settings,
    tasks: &Tasks,
    pool: &Pool,
    ca_keys: Arc<LiveKeyring>,
    app_keys: Arc<LiveKeyring>,
) -> Result<(), Failure> {
    let hinter = process::hinter(settings, tasks, pool);
    let bound = api::start(settings, tasks, pool, hinter.clone(), app_keys, None).await?;
    let url = api::url(&bound);
    anchors::keep(settings, tasks, pool).await?;
    files::write_public(&settings.data_dir.join("url"), &format!("{url}\n"))?;
    worker::start(settings, tasks, pool, hinter.clone(), Some(ca_keys), false);
    scheduler::start(settings, tasks, pool, hinter, false);
    announce(settings, tasks, bound, url);
    Ok(())
}

fn announce(settings: &Settings, tasks: &Tasks, bound: Bound, url: String) {
    let (group, name) = (tasks.clone(), settings.worker.name.clone());
    let next = next_command(&settings.data_dir);
    tasks.spawn("announce", async move {
        if bound.ready(&group).await {
            let listen = bound.local_addr.to_string();
            ready(&Ready {
                role: "up",
                name: &name,
                url: Some(&url),
                listen: Some(&listen),
                version: Some(process::VERSION),
                ..Ready::default()
            });
            tracing::info!(event = "next", url, "certmill runs at {url}; next: {next}");
        }
    });
}

/// The command that obtains a first certificate from this data folder.
fn next_command(data_dir: &Path) -> String {
    let default = certmill_settings::default_data_dir(&certmill_settings::Env::of_process());
    let folder = if data_dir == default {
        String::new()
    } else {
        format!(" --data-dir {}", data_dir.display())
    };
    format!("certmill certs add shop.example.com --wait{folder}")
}
