//! A Postgres server that certmill brings along: for the first use, demonstrations and tests.
//! Production names its own server by `database_url`.
//!
//! Invariant: one instance owns a data folder (flock); fsync stays on; the server goes down
//! cleanly with this process, however this process ends.

mod account;
mod binaries;
mod bundle;
mod command;
mod datafolder;
mod look;
mod pidfile;
mod postmaster;
mod roles;
mod running;
mod secrets;
mod socket;

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::{Error, Result};
use account::Account;
use binaries::Binaries;
use datafolder::DataFolder;
use postmaster::{Launch, Postmaster, Status};
use secrets::Passwords;
use socket::Endpoint;

pub use bundle::BUNDLE_VERSION;
pub use look::{Look, look};
pub use running::{running_app_url, running_owner_url};

/// Name of the database that the embedded set-up creates.
pub const DATABASE: &str = "certmill";

/// Longest wait for the first answer, crash recovery aside.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest crash recovery that `start` waits for.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(600);

/// The three logins of the embedded server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Set-up only.
    Superuser,
    /// Owns the objects, migrates.
    Owner,
    /// What the roles run as.
    App,
}

impl Login {
    /// Role name inside Postgres.
    pub fn user(self) -> &'static str {
        match self {
            Self::Superuser => "postgres",
            Self::Owner => "certmill_owner",
            Self::App => "certmill_app",
        }
    }
}

/// Where and how to run the embedded server.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// certmill's data folder; the server's files go into `pgdata-<major>` below it.
    pub data_dir: PathBuf,
    /// Folder of `postgres` and `initdb`; `None` = look for them on this machine.
    pub bin_dir: Option<PathBuf>,
    /// Shared cache for the downloaded bundle (as root /var/cache/certmill, else
    /// $XDG_CACHE_HOME/certmill or ~/.cache/certmill).
    pub cache_dir: PathBuf,
    /// False = never look on this machine, use the bundle.
    pub use_installed: bool,
    /// `max_connections` of the server.
    pub max_connections: u32,
    /// More `name = value` settings of the server; they win over ours, so tests can switch
    /// fsync off and nothing else should.
    pub settings: Vec<(String, String)>,
}

impl EmbeddedOptions {
    /// Installed binaries first, 100 connections.
    pub fn new(data_dir: impl Into<PathBuf>, cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            bin_dir: None,
            cache_dir: cache_dir.into(),
            use_installed: true,
            max_connections: 100,
            settings: Vec::new(),
        }
    }

    /// Whether what is written must survive the machine: not where a test took fsync away.
    fn is_durable(&self) -> bool {
        !self
            .settings
            .iter()
            .any(|(name, value)| name == "fsync" && value == "off")
    }
}

/// Reports what is going on, one short line at a time.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A running embedded server. Dropped without [`Embedded::stop`], it is told to stop and goes
/// down with the process at the latest.
#[derive(Debug)]
pub struct Embedded {
    postmaster: Postmaster,
    endpoint: Endpoint,
    passwords: Passwords,
    major: u32,
    log: PathBuf,
}

impl Embedded {
    /// Finds or fetches Postgres, makes the cluster if there is none, starts it, waits until it
    /// answers, and makes the roles and the database if they are missing.
    ///
    /// # Errors
    /// [`Error::Embedded`] and [`Error::File`] with what, where, why and what to do.
    pub async fn start(options: EmbeddedOptions, progress: Progress<'_>) -> Result<Self> {
        let account = Account::choose()?;
        let folder = DataFolder::open(&options.data_dir, &account)?;
        let lock = folder.lock()?;
        let binaries = Self::binaries(&options, &folder, progress).await?;
        account.require_traversable(binaries.probe_path())?;
        let passwords = Passwords::open(folder.root())?;
        let pgdata = folder.cluster(binaries.major)?;
        if !pgdata.exists() {
            progress("initialising the database folder");
            let durable = options.is_durable();
            folder
                .init(&binaries, &account, &passwords, durable)
                .await?;
        }
        pidfile::wait_for_predecessor(&pgdata, progress).await?;
        let endpoint = Endpoint::choose(folder.root(), &account)?;
        let launch = Launch {
            program: binaries.program("postgres"),
            pgdata,
            endpoint: endpoint.clone(),
            account,
            max_connections: options.max_connections,
            settings: options.settings,
            log: folder.log(),
        };
        Self::launch(launch, lock, passwords, binaries.major, progress).await
    }

    async fn binaries(
        options: &EmbeddedOptions,
        folder: &DataFolder,
        progress: Progress<'_>,
    ) -> Result<Binaries> {
        let wanted = folder.existing_major()?;
        if let Some(dir) = &options.bin_dir {
            return binaries::from_setting(dir, wanted);
        }
        if options.use_installed
            && let Some(found) = binaries::installed(wanted)
        {
            progress(&format!("using PostgreSQL {} of this machine", found.major));
            return Ok(found);
        }
        bundle::require_major(wanted, folder.root())?;
        bundle::provide(&options.cache_dir, progress).await
    }

    async fn launch(
        launch: Launch,
        lock: File,
        passwords: Passwords,
        major: u32,
        progress: Progress<'_>,
    ) -> Result<Self> {
        let (endpoint, log) = (launch.endpoint.clone(), launch.log.clone());
        let postmaster = Postmaster::spawn(launch, lock)?;
        let server = Self {
            postmaster,
            endpoint,
            passwords,
            major,
            log,
        };
        server.wait_until_ready(progress).await?;
        server.postmaster.note_answer();
        let mut conn = server
            .options(Login::Superuser, "postgres")
            .connect()
            .await?;
        roles::ensure(&mut conn, &server.passwords).await?;
        conn.close().await.ok();
        Ok(server)
    }

    async fn wait_until_ready(&self, progress: Progress<'_>) -> Result<()> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            if let Status::GaveUp(why) = self.postmaster.status() {
                return Err(Error::Embedded(format!("{why}; {}", self.log_tail())));
            }
            let options = self.options(Login::Superuser, "postgres");
            let error = match options.connect().await.map_err(Error::from) {
                Ok(conn) => {
                    conn.close().await.ok();
                    return Ok(());
                }
                Err(error) => error,
            };
            let recovering = error.to_string().contains("57P03");
            if recovering && !told {
                progress("the server recovers from a crash or is still starting");
                told = true;
            }
            let limit = if recovering {
                RECOVERY_TIMEOUT
            } else {
                READY_TIMEOUT
            };
            if begun.elapsed() > limit || !error.is_retryable() {
                return Err(self.not_ready(error));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn not_ready(&self, error: Error) -> Error {
        if error.sqlstate() == Some("28P01") {
            return Error::Embedded(format!(
                "the server does not take the password in {}; it belongs to another folder, or \
                 was replaced: put the right file back",
                self.passwords.superuser_file().display()
            ));
        }
        Error::Embedded(format!(
            "it does not become ready: {error}; {}",
            self.log_tail()
        ))
    }

    fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.reverse();
        format!(
            "the end of {} says: {}",
            self.log.display(),
            lines.join(" | ")
        )
    }

    fn options(&self, login: Login, database: &str) -> PgConnectOptions {
        self.endpoint
            .options()
            .username(login.user())
            .password(self.passwords.of(login).expose_secret())
            .database(database)
            .application_name("certmill-embedded")
    }

    /// Connection string for any login and database of this server.
    pub fn url(&self, login: Login, database: &str) -> SecretString {
        self.endpoint
            .url(login.user(), self.passwords.of(login), database)
    }

    /// The owner's connection string: migrations.
    pub fn owner_url(&self) -> SecretString {
        self.url(Login::Owner, DATABASE)
    }

    /// The application's connection string.
    pub fn app_url(&self) -> SecretString {
        self.url(Login::App, DATABASE)
    }

    /// The superuser's connection string, to the maintenance database.
    pub fn superuser_url(&self) -> SecretString {
        self.url(Login::Superuser, "postgres")
    }

    /// Major version of the running server.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Process id of the postmaster while one runs.
    pub fn pid(&self) -> Option<u32> {
        self.postmaster.pid()
    }

    /// Stops the server: SIGINT, after 30 s SIGQUIT. Close the pools before.
    pub async fn stop(&self) {
        self.postmaster.stop().await;
    }
}
