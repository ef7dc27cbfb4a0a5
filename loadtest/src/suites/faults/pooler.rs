//! A PgBouncer between the processes and Postgres, with a proxy of its own behind it.
//!
//! Invariant: it listens on loopback only and keeps its address when it is started again; it runs in
//! transaction mode where a release is given that carries our statements there, else in session mode.

use certmill_testkit::free_address;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::proxy::{Proxy, Upstream};
use crate::rig::Child;

/// Where distributions put it.
const PLACES: [&str; 2] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];

/// User and group without rights.
const NOBODY: (u32, u32) = (65534, 65534);

/// The pooler and what is behind it.
pub struct Pooler {
    program: PathBuf,
    process: Child,
    /// Its way to Postgres.
    pub behind: Proxy,
    address: SocketAddr,
    folder: PathBuf,
    starts: u32,
}

/// Whether this machine has one of its own.
pub fn is_here() -> bool {
    installed().is_some()
}

fn installed() -> Option<PathBuf> {
    let mut places = PLACES.into_iter().map(PathBuf::from);
    places.find(|place| place.is_file())
}

impl Pooler {
    /// Starts one for this login (`user:password`) and database, in a folder that it makes: the
    /// `recent` one in transaction mode, or the one of this machine in session mode.
    ///
    /// # Errors
    /// It is not installed, or does not listen in time.
    pub async fn start(
        upstream: Upstream,
        login: &str,
        database: &str,
        folder: &Path,
        recent: Option<&Path>,
    ) -> Result<Self> {
        let behind = Proxy::open(upstream).await?;
        let address = free_address();
        let folder = folder.to_owned();
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let (user, password) = login.split_once(':').context("a login without password")?;
        let users = folder.join("users");
        let mode = match recent {
            Some(_) => "pool_mode = transaction\nmax_prepared_statements = 200",
            None => "pool_mode = session",
        };
        let program = recent.map(Path::to_owned).or_else(installed);
        let program = program.context("there is no pgbouncer here (package pgbouncer)")?;
        fs::write(&users, format!("\"{user}\" \"{password}\"\n"))?;
        let text = format!(
            "[databases]\n{database} = host=127.0.0.1 port={} dbname={database}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\n{mode}\n\
             default_pool_size = 90\nserver_login_retry = 1\n",
            behind.address().port(),
            address.port(),
            users.display()
        );
        fs::write(folder.join("config"), text)?;
        let process = begin(&program, &folder, 1)?;
        let pooler = Self {
            program,
            process,
            behind,
            address,
            folder,
            starts: 1,
        };
        pooler.listens().await?;
        Ok(pooler)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it and starts it again.
    ///
    /// # Errors
    /// It had ended by itself, or does not listen in time.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.require_alive()?;
        self.process.signal(Signal::KILL)?;
        self.starts += 1;
        self.process = begin(&self.program, &self.folder, self.starts)?;
        self.listens().await
    }

    async fn listens(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            if Instant::now() > deadline {
                bail!(
                    "the pooler does not listen; its log is in {}",
                    self.folder.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn begin(program: &Path, folder: &Path, nth: u32) -> Result<Child> {
    let config = folder.join("config").display().to_string();
    let log = folder.join(format!("{nth}.log"));
    // It refuses to run as root.
    Child::start_as(NOBODY, "pgbouncer", program, &[config], &[], &log)
}
