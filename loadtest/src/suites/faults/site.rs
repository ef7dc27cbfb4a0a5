//! The processes under faults: two apis, two workers and two schedulers, each with a proxy of its
//! own between it and Postgres.
//!
//! Invariant: all of it ends with this value, processes before their database and folder.

use certmill_testkit::free_address;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use certmill_pg::embedded::{DATABASE, Embedded, Login};
use certmill_pg::{ConnectOptions, MINIMUM_MAJOR};
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};

use super::disk::Disk;
use super::ledger::Ledger;
use super::options::Programs;
use super::pooler::Pooler;
use super::proxy::{Proxy, Upstream};
use super::standby::{Following, Standby};
use crate::rig::{Child, Door, House, private_file};
use crate::say;

/// Name and role of every process.
pub const MEMBERS: [(&str, &str); 6] = [
    ("api-1", "api"),
    ("api-2", "api"),
    ("worker-1", "worker"),
    ("worker-2", "worker"),
    ("scheduler-1", "scheduler"),
    ("scheduler-2", "scheduler"),
];

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Leases and slots shortened, their ratios kept.
const SETTINGS: [(&str, &str); 12] = [
    ("worker.concurrency", "8"),
    ("process.lease_ms", "5000"),
    ("process.beat_ms", "1200"),
    ("process.rescue_ms", "1000"),
    ("leader.lease_ms", "3000"),
    ("schedule.renewal_slot_ms", "2000"),
    ("poll_ms", "500"),
    ("shutdown_grace_ms", "10000"),
    ("migrate_at_boot", "false"),
    ("api.rate_per_s", "1000000"),
    ("api.burst", "1000000"),
    ("database.max_connections", "12"),
];

/// How a site differs from the usual one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variant {
    /// Further settings of every process.
    pub settings: &'static [(&'static str, &'static str)],
    /// Further settings of the server.
    pub server: &'static [(&'static str, &'static str)],
    /// Whether a PgBouncer stands between the processes and Postgres.
    pub pooled: bool,
    /// Whether a standby follows the server.
    pub followed: bool,
    /// The size of the disk that the server has for itself, in MB; none without one.
    pub disk_mb: Option<u32>,
}

/// The running site.
pub struct Site {
    members: BTreeMap<&'static str, Child>,
    proxies: BTreeMap<&'static str, Proxy>,
    /// The pooler in between, where there is one.
    pub pooler: Option<Pooler>,
    /// What the database tells.
    pub ledger: Ledger,
    /// The server that follows, where there is one.
    pub standby: Option<Standby>,
    /// The ledger's way to the standby, once it was promoted.
    observer: Option<Proxy>,
    /// Where the server takes connections.
    upstream: Upstream,
    server: Embedded,
    disk: Option<Disk>,
    listens: BTreeMap<&'static str, String>,
    program: PathBuf,
    starts: usize,
    house: House,
}

impl Site {
    /// Starts the server, makes the schema with the event log beside it, starts every process and
    /// waits until it is ready.
    ///
    /// # Errors
    /// Something does not start; the words hold the end of its log.
    pub async fn open(programs: &Programs, variant: Variant) -> Result<Self> {
        let settings = SETTINGS.iter().chain(variant.settings).copied();
        let house = House::build("certmill-faults-", settings)?;
        let mut options = house.server();
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        options.settings = variant.server.iter().map(own).collect();
        let disk = variant.disk_mb.map(|mb| Disk::mount(&options.data_dir, mb));
        let disk = disk.transpose()?;
        let server = Embedded::start(options, &|_| {}).await?;
        let ledger = Ledger::open(&server.url(Login::Superuser, DATABASE)).await?;
        let mut upstream = upstream(&server.app_url())?;
        let mut pooler = None;
        if variant.pooled {
            let (login, _) = parts(server.app_url().expose_secret()).map(owned_pair)?;
            let started = Pooler::start(
                upstream,
                &login,
                DATABASE,
                &house.path("pooler"),
                programs.pgbouncer.as_deref(),
            )
            .await?;
            for (key, value) in ConnectOptions::new("").settings(MINIMUM_MAJOR) {
                let set = format!("ALTER ROLE certmill_app SET {key} = '{value}'");
                ledger.execute(&set).await?;
            }
            upstream = Upstream::Tcp(started.address());
            pooler = Some(started);
        }
        let (mut proxies, mut listens) = (BTreeMap::new(), BTreeMap::new());
        for (name, role) in MEMBERS {
            proxies.insert(name, Proxy::open(upstream.clone()).await?);
            if role == "api" {
                listens.insert(name, free_address().to_string());
            }
        }
        let mut site = Self {
            members: BTreeMap::new(),
            proxies,
            pooler,
            ledger,
            standby: None,
            observer: None,
            upstream,
            server,
            disk,
            listens,
            program: programs.certmill.clone(),
            starts: 0,
            house,
        };
        site.house.migrate(&programs.certmill, &site.server).await?;
        site.ledger.install().await?;
        if variant.followed {
            site.standby = Some(site.follow().await?);
        }
        for (name, _) in MEMBERS {
            site.launch(name)?;
        }
        for (name, _) in MEMBERS {
            site.ready(name).await?;
        }
        Ok(site)
    }

    async fn follow(&self) -> Result<Standby> {
        let url = self.server.url(Login::Superuser, DATABASE);
        let (login, _) = parts(url.expose_secret())?;
        let most = "SELECT current_setting('max_connections')::bigint";
        Standby::start(Following {
            primary: self.upstream.clone(),
            postmaster: self.postmaster()?,
            login,
            folder: self.path("standby"),
            max_connections: self.ledger.number(most).await?,
        })
        .await
    }

    /// Makes the standby a primary, and looks there from now on.
    ///
    /// # Errors
    /// There is none, or it is not promoted in time.
    pub async fn promote(&mut self) -> Result<()> {
        let standby = self.standby.as_mut().context("there is no standby")?;
        let way = Proxy::open(standby.upstream()).await?;
        let url = self.server.url(Login::Superuser, DATABASE);
        let there = Ledger::open(&through(&url, way.address())?).await?;
        standby.promote(&there).await?;
        self.ledger = there;
        self.observer = Some(way);
        Ok(())
    }

    /// New connections of a process lead to the standby from now on.
    ///
    /// # Errors
    /// There is no such process, or no standby.
    pub fn lead_to_standby(&self, name: &str) -> Result<()> {
        let standby = self.standby.as_ref().context("there is no standby")?;
        self.proxy(name)?.lead_to(standby.upstream());
        Ok(())
    }

    /// New connections of a process lead to the first server again.
    ///
    /// # Errors
    /// There is no such process.
    pub fn lead_back(&self, name: &str) -> Result<()> {
        self.proxy(name)?.lead_to(self.upstream.clone());
        Ok(())
    }

    /// Starts a process under this name; its log is a file of its own.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(&mut self, name: &'static str) -> Result<()> {
        self.launch_with(name, &[])
    }

    /// As [`Site::launch`], with more in its environment.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch_with(&mut self, name: &'static str, more: &[(String, String)]) -> Result<()> {
        let (_, role) = MEMBERS
            .into_iter()
            .find(|member| member.0 == name)
            .context("no such process")?;
        let url = self.url_through(self.proxy(name)?.address())?;
        let file = format!("{name}.url");
        private_file(&self.path(&file), &url)?;
        let mut args = [role, "--name", name].map(str::to_owned).to_vec();
        args.extend(self.house.args(name));
        if let Some(listen) = self.listens.get(name) {
            args.extend(["--listen".to_owned(), listen.clone()]);
        }
        let mut env = vec![self.house.url_file(&file)];
        env.extend_from_slice(more);
        self.starts += 1;
        let log = self.path(&format!("{name}.{}.log", self.starts));
        let child = Child::start(name, &self.program, &args, &env, &log)?;
        self.members.insert(name, child);
        Ok(())
    }

    /// Waits for the ready line.
    ///
    /// # Errors
    /// The process ends, or is not ready in time.
    pub async fn ready(&mut self, name: &str) -> Result<()> {
        let child = self.members.get_mut(name).context("no such process")?;
        child.logged("ready", READY_WITHIN).await
    }

    /// Kills a process and starts its successor.
    ///
    /// # Errors
    /// It had ended by itself, or the successor cannot be started.
    pub fn replace(&mut self, name: &'static str) -> Result<()> {
        self.replace_with(name, &[])
    }

    /// As [`Site::replace`], the successor as in [`Site::launch_with`].
    ///
    /// # Errors
    /// As [`Site::replace`].
    pub fn replace_with(&mut self, name: &'static str, more: &[(String, String)]) -> Result<()> {
        self.signal(name, Signal::KILL)?;
        self.members.remove(name);
        self.launch_with(name, more)
    }

    /// Asks a process to end, waits for its good end, and starts its successor.
    ///
    /// # Errors
    /// It ends otherwise, or too late.
    pub async fn restart(&mut self, name: &'static str) -> Result<()> {
        let mut child = self.members.remove(name).context("no such process")?;
        child.terminate()?;
        child.ended_well(Duration::from_secs(15)).await?;
        self.launch(name)
    }

    /// Writes the files of logins anew, with this password.
    ///
    /// # Errors
    /// One cannot be written.
    pub fn tell_password(&self, password: &str) -> Result<()> {
        for (name, proxy) in &self.proxies {
            let address = proxy.address();
            let url =
                format!("postgres://certmill_app:{password}@{address}/{DATABASE}?sslmode=disable");
            private_file(&self.path(&format!("{name}.url")), &SecretString::from(url))?;
        }
        Ok(())
    }

    /// Sends a signal to a process, which must be up.
    ///
    /// # Errors
    /// It is not.
    pub fn signal(&mut self, name: &str, signal: Signal) -> Result<()> {
        let child = self.members.get_mut(name).context("no such process")?;
        child.require_alive()?;
        child.signal(signal)
    }

    /// Whether every process is up (or paused).
    ///
    /// # Errors
    /// One ended by itself; the words hold the end of its log.
    pub fn require_all(&mut self) -> Result<()> {
        ensure!(self.members.len() == MEMBERS.len(), "a process is missing");
        self.members.values_mut().try_for_each(Child::require_alive)
    }

    /// The root of the server's own disk.
    ///
    /// # Errors
    /// It has none.
    pub fn disk(&self) -> Result<&Path> {
        let disk = self.disk.as_ref();
        disk.map(Disk::root)
            .context("the server has no disk of its own")
    }

    /// The process id of each.
    pub fn pids(&self) -> BTreeMap<&'static str, u32> {
        let members = self.members.iter();
        members.map(|(name, child)| (*name, child.pid())).collect()
    }

    /// The id of the postmaster.
    ///
    /// # Errors
    /// It does not run at this moment.
    pub fn postmaster(&self) -> Result<u32> {
        self.server.pid().context("the database does not run")
    }

    /// The way of a process to the database.
    ///
    /// # Errors
    /// There is no such process.
    pub fn proxy(&self, name: &str) -> Result<&Proxy> {
        self.proxies.get(name).context("no such process")
    }

    /// All ways to the database.
    pub fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.values()
    }

    /// The application's login, as the server has it.
    pub fn app_url(&self) -> SecretString {
        self.server.app_url()
    }

    /// How an api is reached.
    ///
    /// # Errors
    /// The files that it wrote are not there.
    pub async fn door(&self, name: &str) -> Result<Door> {
        let root = self.ledger.root_certificate().await?;
        let listen = self.listens.get(name).context("no such api")?;
        self.house.door(listen, &root)
    }

    /// Every line that a process of ours has logged.
    pub fn log_lines(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("")).into_iter().flatten();
        let logs = files
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        let text = logs.map(|path| fs::read_to_string(path).unwrap_or_default());
        text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// Leaves the folder with logs and history behind.
    pub fn keep(mut self) {
        self.members.clear();
        let folder = self.house.keep();
        say::line(&format!("logs are kept in {}", folder.display()));
    }

    /// A path in the folder of this run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.house.path(name)
    }

    /// The application's connection string by way of this address.
    ///
    /// # Errors
    /// The server's own has another form.
    pub fn url_through(&self, address: SocketAddr) -> Result<SecretString> {
        through(&self.server.app_url(), address)
    }
}

/// The same login by way of this address.
fn through(url: &SecretString, address: SocketAddr) -> Result<SecretString> {
    let (login, _) = parts(url.expose_secret())?;
    let url = format!("postgres://{login}@{address}/{DATABASE}?sslmode=disable");
    Ok(SecretString::from(url))
}

fn owned_pair((login, place): (&str, &str)) -> (String, String) {
    (login.to_owned(), place.to_owned())
}

/// Login and place of a connection string.
fn parts(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("postgres://");
    rest.and_then(|rest| rest.rsplit_once('@'))
        .context("the server's connection string has another form")
}

/// Where the server listens: a socket's folder stands in `?host=`, with `%2F` for a slash or as it is.
fn upstream(url: &SecretString) -> Result<Upstream> {
    let (_, place) = parts(url.expose_secret())?;
    if let Some((_, folder)) = place.split_once("?host=") {
        ensure!(
            !folder.contains('%'),
            "the folder of the socket has odd characters"
        );
        return Ok(Upstream::Unix(Path::new(folder).join(".s.PGSQL.5432")));
    }
    let address = place.split('/').next().unwrap_or_default();
    Ok(Upstream::Tcp(
        address.parse().context("the server's address")?,
    ))
}
