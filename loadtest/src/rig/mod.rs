//! The system under load: a throw-away Postgres and real processes of the release build.
//!
//! Invariant: all of it ends with this value; should this process be killed, the kernel ends it.

mod child;
mod database;
mod house;
mod pgbench;
mod usage;

use certmill_testkit::free_address;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use certmill_pg::embedded::{DATABASE, Embedded, Login};
use certmill_wire::client::{Client, ClientConfig};
use secrecy::SecretString;

use crate::{building, say};
pub use child::Child;
pub use database::Database;
pub use house::{House, private_file};
pub use pgbench::{Pgbench, inlined};
pub use usage::{Cpu, peak_rss_mb, rss_mb};

const READY_WITHIN: Duration = Duration::from_secs(40);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const EXTENSION: &str = "pg_stat_statements";

/// The whole of it. Fields end in this order: processes, then their database, then the folder.
pub struct Rig {
    members: BTreeMap<String, Child>,
    /// The superuser's view of the database.
    pub database: Database,
    server: Embedded,
    listen: String,
    house: House,
}

impl Rig {
    /// Starts the server and makes the schema; no process of ours runs yet.
    ///
    /// # Errors
    /// The server cannot be started, or the migration fails.
    pub async fn start(settings: &[(&'static str, &'static str)]) -> Result<Self> {
        let house = House::build("certmill-loadtest-", settings.iter().copied())?;
        let mut options = house.server();
        let counts = counts_statements();
        if counts {
            options.settings = vec![("shared_preload_libraries".into(), EXTENSION.into())];
        }
        let server = Embedded::start(options, &|step| say::line(step)).await?;
        let superuser = server.url(Login::Superuser, DATABASE);
        let database = Database::open(&superuser, counts).await?;
        say::line(&database.describe().await?);
        house.migrate(&building::binary()?, &server).await?;
        Ok(Self {
            members: BTreeMap::new(),
            database,
            server,
            listen: free_address().to_string(),
            house,
        })
    }

    /// Starts a process of this role under this name and waits until it is ready.
    ///
    /// # Errors
    /// It does not start, or is not ready in time; the words hold the end of its log.
    pub async fn launch(&mut self, name: &str, role: &str) -> Result<()> {
        let mut args = vec![role.to_owned(), "--name".to_owned(), name.to_owned()];
        args.extend(self.house.args(name));
        if role == "api" {
            args.extend(["--listen".to_owned(), self.listen.clone()]);
        }
        let log = self.path(&format!("{name}.log"));
        let env = [self.house.url_file("database.url")];
        let child = Child::start(name, &building::binary()?, &args, &env, &log)?;
        self.adopt(name, child).await
    }

    /// The numbers under `key` of all events of that name that a process has told so far.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn told(&self, name: &str, event: &str, key: &str) -> Result<Vec<f64>> {
        let child = self.members.get(name);
        child
            .map(|child| child.numbers(event, key))
            .with_context(|| format!("{name} does not run"))
    }

    /// Waits until a process has told of an event.
    ///
    /// # Errors
    /// There is none of that name, it ends, or does not tell in time.
    pub async fn heard(&mut self, name: &str, event: &str, within: Duration) -> Result<()> {
        let child = self.members.get_mut(name);
        let child = child.with_context(|| format!("{name} does not run"))?;
        child.logged(event, within).await
    }

    /// Kills a process.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.members
            .remove(name)
            .map(drop)
            .context("no such process")
    }

    /// Asks a process to end, and waits for nothing.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn terminate(&self, name: &str) -> Result<()> {
        let child = self.members.get(name);
        child
            .with_context(|| format!("{name} does not run"))?
            .terminate()
    }

    /// Takes a process over that logs `ready` as ours do.
    ///
    /// # Errors
    /// It is not ready in time.
    pub async fn adopt(&mut self, name: &str, mut child: Child) -> Result<()> {
        child.logged("ready", READY_WITHIN).await?;
        self.members.insert(name.to_owned(), child);
        Ok(())
    }

    /// Asks a process to end and waits for it.
    ///
    /// # Errors
    /// There is none of that name, or it does not end in time.
    pub async fn stop(&mut self, name: &str) -> Result<()> {
        let mut child = self.members.remove(name).context("no such process")?;
        child.terminate()?;
        child.ended_well(STOP_WITHIN).await
    }

    /// The id of a process.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn pid(&self, name: &str) -> Result<u32> {
        let child = self.members.get(name);
        child
            .map(Child::pid)
            .with_context(|| format!("{name} does not run"))
    }

    /// The id of the postmaster.
    ///
    /// # Errors
    /// It does not run.
    pub fn postmaster(&self) -> Result<u32> {
        self.server.pid().context("the database does not run")
    }

    /// How the API is reached: address, key and root.
    ///
    /// # Errors
    /// The files that the api wrote are not there.
    pub async fn door(&self) -> Result<Door> {
        let root = self.database.root_certificate().await?;
        self.house.door(&self.listen, &root)
    }

    /// A connection string for a login and a database of the server.
    pub fn login(&self, login: Login, database: &str) -> SecretString {
        self.server.url(login, database)
    }

    /// A path in the folder of this run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.house.path(name)
    }
}

/// Where and how to ask.
pub struct Door {
    /// `https://127.0.0.1:port`
    pub url: String,
    /// The first admin's key.
    pub key: SecretString,
    /// The only trust anchor.
    pub root_pem: String,
}

impl Door {
    /// Waits until the API serves under its own certificate.
    ///
    /// # Errors
    /// It does not within its time.
    pub async fn open(&self) -> Result<()> {
        let config = ClientConfig::new(&self.url).with_ca_pem(self.root_pem.clone());
        let client = Client::new(config)?;
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        while let Err(why) = client.ready().await {
            if tokio::time::Instant::now() > deadline {
                return Err(why).context("the api is not ready");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// Whether the newest Debian installation, which the embedded set-up prefers, counts statements.
fn counts_statements() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max();
    newest.is_some_and(|major| {
        Path::new(&format!("/usr/lib/postgresql/{major}/lib/{EXTENSION}.so")).exists()
    })
}
