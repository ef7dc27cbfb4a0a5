//! The one embedded Postgres of a test process, with the template that tests clone.
//!
//! Invariant: it is made on a thread and runtime of its own, and keeps no connection open, so it
//! outlives the runtime of the test that asked first.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use certmill_pg::embedded::{Embedded, EmbeddedOptions, Login};
use certmill_pg::{ConnectOptions, connect, migrate};
use sqlx::{Connection, Executor};

use crate::leftovers;

/// Database with all migrations that [`crate::TestDb`] clones.
pub(crate) const TEMPLATE: &str = "certmill_template";

static SERVER: OnceLock<Result<Embedded, String>> = OnceLock::new();

/// The shared server, started by whoever asks first.
pub(crate) async fn shared() -> Result<&'static Embedded> {
    let server = tokio::task::spawn_blocking(|| SERVER.get_or_init(start_shared)).await?;
    server
        .as_ref()
        .map_err(|why| anyhow!("the test server cannot be started: {why}"))
}

fn start_shared() -> Result<Embedded, String> {
    let started = std::thread::spawn(|| -> Result<Embedded> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let server = start_server(&fresh_folder()?).await?;
            make_template(&server)
                .await
                .context("making the template database")?;
            Ok(server)
        })
    });
    match started.join() {
        Ok(answer) => answer.map_err(|e| format!("{e:#}")),
        Err(_) => Err("the thread that starts it panicked".to_owned()),
    }
}

/// Starts a server of its own below `data_dir`, for tests that kill it or stop it. fsync is off:
/// what a test writes need not survive the machine.
pub async fn start_server(data_dir: &Path) -> Result<Embedded> {
    let mut options = EmbeddedOptions::new(data_dir, cache_dir());
    options.max_connections = 200;
    options.settings = [("fsync", "off"), ("autovacuum_naptime", "5min")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    Ok(Embedded::start(options, &|_| {}).await?)
}

/// The folder that downloaded bundles are kept in, the same as the binary's.
#[allow(
    clippy::disallowed_methods,
    reason = "tests have no settings to read this from"
)]
pub fn cache_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/cache/certmill");
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    folder("XDG_CACHE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join("certmill")
}

/// A new folder that the server's user can enter; [`leftovers`] removes it once we are gone.
fn fresh_folder() -> Result<PathBuf> {
    let prefix = format!("{}{}-", leftovers::PREFIX, std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir()?.keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711))?;
    if let Some(temp) = folder.parent().map(Path::to_path_buf) {
        std::thread::spawn(move || leftovers::sweep(&temp));
    }
    Ok(folder)
}

async fn make_template(server: &Embedded) -> Result<()> {
    create_database(
        server,
        &format!("CREATE DATABASE {TEMPLATE} OWNER certmill_owner"),
    )
    .await?;
    let owner = connect(
        &server.url(Login::Owner, TEMPLATE),
        ConnectOptions::new("test"),
    )
    .await?;
    migrate(&owner, Login::App.user(), &|_| {}).await?;
    owner.close().await;
    Ok(())
}

/// Runs one statement that makes or drops a database, as the superuser.
pub(crate) async fn create_database(server: &Embedded, statement: &str) -> Result<()> {
    let options = ConnectOptions::new("testkit");
    let mut conn = certmill_pg::connect_one(&server.superuser_url(), &options).await?;
    conn.execute(sqlx::AssertSqlSafe(statement))
        .await
        .with_context(|| statement.to_owned())?;
    conn.close().await?;
    Ok(())
}
