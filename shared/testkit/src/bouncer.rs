//! A real PgBouncer in front of a test database.
//!
//! Invariant: it listens on loopback only and ends with this value; where this machine has none, that
//! is said, and the test returns.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "only tests call this; they want the reason, not a Result"
)]

use crate::free_address;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

use crate::{TestDb, tool};

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The package of Debian 12, which carries no prepared statements in transaction mode.
    Packaged,
    /// One that xtask builds and that carries them.
    Recent,
}

impl Release {
    fn program(self) -> Option<PathBuf> {
        if self == Self::Recent {
            return tool("pgbouncer");
        }
        let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];
        let found = places.into_iter().map(PathBuf::from).find(|p| p.exists());
        if found.is_none() {
            // Not by a print macro: the test harness would keep that for itself.
            let line = "LEFT OUT: pgbouncer is not here (package pgbouncer)";
            writeln!(std::io::stderr(), "{line}").ok();
        }
        found
    }
}

/// A running pooler.
pub struct Bouncer {
    process: Child,
    url: SecretString,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Bouncer {
    /// Starts one in this pool mode (`transaction`, `session`), with further lines of its
    /// configuration; its files go into `folder`. `None` where it is not here, which is said.
    ///
    /// # Panics
    /// When it does not listen within ten seconds, with its log.
    pub async fn start(
        db: &TestDb,
        folder: &Path,
        release: Release,
        mode: &str,
        more: &str,
    ) -> Option<Self> {
        let program = release.program()?;
        let port = free_address().port();
        let url = db.app_url();
        let (_, rest) = url.expose_secret().split_once("certmill_app:").unwrap();
        let (password, place) = rest.split_once('@').unwrap();
        let host = place
            .split_once("?host=")
            .map_or("127.0.0.1", |(_, host)| host);
        let server_port = place.split(['/', ':']).nth(1).unwrap_or("5432");
        let name: String = sqlx::query_scalar("SELECT current_database()")
            .fetch_one(db.app())
            .await
            .unwrap();
        let (users, config) = (folder.join("users"), folder.join("config"));
        fs::write(&users, format!("\"certmill_app\" \"{password}\"\n")).unwrap();
        let text = format!(
            "[databases]\n{name} = host={host} port={server_port} dbname={name}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n\
             default_pool_size = 60\nserver_login_retry = 1\n{more}\n",
            users.display()
        );
        fs::write(&config, text).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root.
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        let process = command
            .arg(program)
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let url =
            format!("postgres://certmill_app:{password}@127.0.0.1:{port}/{name}?sslmode=disable");
        let bouncer = Self {
            process,
            url: SecretString::from(url),
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "the pooler does not listen: {log}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(bouncer)
    }

    /// The application's connection string by way of it.
    pub fn url(&self) -> &SecretString {
        &self.url
    }
}
