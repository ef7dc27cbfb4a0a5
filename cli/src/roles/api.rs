//! The role `api`: the HTTPS surface.

use std::sync::Arc;

use certmill_api::{Bound, PlainOptions, ServeError, ServerOptions, serve, serve_plain};
use certmill_crypto::bootstrap_token::BootstrapToken;
use certmill_crypto::mac::MacRing;
use certmill_crypto::seal::LiveKeyring;
use certmill_pg::Pool;
use certmill_queue::{Hinter, stay_registered};
use certmill_service::Context;
use certmill_settings::Settings;
use certmill_tasks::Tasks;
use certmill_telemetry::{Ready, ready};

use super::{anchors, bootstrap_token, database, files, key_files, keyrings, process, refusal};
use crate::exit::Exit;
use crate::failure::Failure;

/// How often supplied certificate files are looked at.
const TLS_POLL: std::time::Duration = std::time::Duration::from_secs(10);

/// Runs an api alone.
pub(super) async fn run(settings: Settings) -> Result<Exit, Failure> {
    files::make_folder(&settings.data_dir)?;
    let files = key_files::of_app(&settings);
    let loaded = files.load()?;
    let pool = database::pool_with_schema(&settings).await?;
    let tasks = process::tasks()?;
    process::watch_over(&settings, &tasks, &pool);
    let app_keys = keyrings::hold(&settings, &tasks, &pool, files, loaded).await?;
    register(&settings, &tasks, &pool).await?;
    if let Err(failure) = open(&settings, &tasks, &pool, app_keys).await {
        // So that the list does not show it until its lease is over.
        tasks.shutdown(settings.shutdown_grace).await;
        return Err(failure);
    }
    Ok(process::end(&settings, &tasks, &pool).await)
}

async fn open(
    settings: &Settings,
    tasks: &Tasks,
    pool: &Pool,
    app_keys: Arc<LiveKeyring>,
) -> Result<(), Failure> {
    let hinter = process::hinter(settings, tasks, pool);
    let token = bootstrap_token::load(settings, pool).await?;
    let bound = start(settings, tasks, pool, hinter, app_keys, token).await?;
    let url = url(&bound);
    anchors::keep(settings, tasks, pool).await?;
    files::write_public(&settings.data_dir.join("url"), &format!("{url}\n"))?;
    announce(settings, tasks, bound, url);
    Ok(())
}

/// Binds and serves in the group's tasks.
pub(super) async fn start(
    settings: &Settings,
    tasks: &Tasks,
    pool: &Pool,
    hinter: Hinter,
    app_keys: Arc<LiveKeyring>,
    bootstrap_token: Option<BootstrapToken>,
) -> Result<Bound, Failure> {
    let context = process::context(settings, pool.clone(), hinter, Some(Arc::clone(&app_keys)));
    serve_plain_listener(settings, tasks, &context).await?;
    let options = ServerOptions {
        listen: settings.listen,
        cursor_key: MacRing::new(Arc::clone(&app_keys), "cursor"),
        bootstrap_token,
        context,
        data_dir: settings.data_dir.clone(),
        host_name: process::host_name(),
        public_names: settings.public_names.clone(),
        tls: settings.tls.clone(),
        tls_poll: TLS_POLL,
        limits: settings.api,
        grace: settings.shutdown_grace,
    };
    serve(options, tasks).await.map_err(|why| {
        let at = match &why {
            ServeError::Bind { .. } => "listen",
            ServeError::Tls(_) => "tls",
            ServeError::Routes(_) => "routes",
        };
        Failure::new(Exit::Config, "api", at, &why.to_string(), "")
    })
}

/// Serves lists and OCSP where the settings ask for it, and has certificates name where.
async fn serve_plain_listener(
    settings: &Settings,
    tasks: &Tasks,
    context: &Context,
) -> Result<(), Failure> {
    if let Some(url) = &settings.plain_url {
        let changed = certmill_service::status::publish_url(context, url)
            .await
            .map_err(refusal::service)?;
        if changed > 0 {
            tracing::info!(event = "revocation_url_set", url, issuers = changed);
        }
    }
    let Some(listen) = settings.plain_listen else {
        return Ok(());
    };
    let options = PlainOptions {
        listen,
        context: context.clone(),
        grace: settings.shutdown_grace,
    };
    let bound = serve_plain(options, tasks).await.map_err(|why| {
        let hint = "choose another address with --set plain_listen=ADDRESS:PORT";
        Failure::new(Exit::Config, "api", "plain_listen", &why.to_string(), hint)
    })?;
    tracing::info!(event = "plain_listening", listen = %bound, "CRLs and OCSP on {bound}");
    Ok(())
}

/// Where clients on this machine reach it: an unspecified address is reached by loopback.
pub(super) fn url(bound: &Bound) -> String {
    let mut address = bound.local_addr;
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    format!("https://{address}")
}

/// Enters the list of processes, before anything is served: an api that does not go with one that
/// lives is refused here. The list holds it until the shutdown.
pub(super) async fn register(
    settings: &Settings,
    tasks: &Tasks,
    pool: &Pool,
) -> Result<(), Failure> {
    let options = process::beat_options_of_api(settings, pool);
    let (group, shutdown) = (tasks.clone(), tasks.shutdown_token());
    let registered = certmill_queue::register(tasks, &options, &shutdown).await;
    let Some(beat) = registered.map_err(refusal::registration)? else {
        return Ok(());
    };
    tasks.spawn_essential("registration", async move {
        if let Err(error) = stay_registered(&group, beat, options, &shutdown).await {
            tracing::error!(event = "not_registered", %error);
        }
    });
    Ok(())
}

fn announce(settings: &Settings, tasks: &Tasks, bound: Bound, url: String) {
    let (group, name) = (tasks.clone(), settings.worker.name.clone());
    tasks.spawn("announce", async move {
        if bound.ready(&group).await {
            let listen = bound.local_addr.to_string();
            ready(&Ready {
                role: "api",
                name: &name,
                url: Some(&url),
                listen: Some(&listen),
                version: Some(process::VERSION),
                ..Ready::default()
            });
        }
    });
}
