//! A streaming standby of the site's server, with a way of its own to it that can be cut.
//!
//! Invariant: it listens on a socket in its own folder only, and ends with this value. Its passwords
//! are the primary's, and stand in no argument.
#![allow(
    clippy::disallowed_methods,
    reason = "who owns the primary's files is asked of the file system"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::geteuid;

use super::ledger::Ledger;
use super::proxy::{Proxy, Upstream};
use crate::rig::Child;

const COPIED_WITHIN: Duration = Duration::from_secs(60);

/// Where its files go, and whom it follows.
pub struct Following<'a> {
    /// Where the primary takes connections.
    pub primary: Upstream,
    /// Its postmaster.
    pub postmaster: u32,
    /// A login that may copy it, as `user:password`.
    pub login: &'a str,
    /// A folder that is made for it.
    pub folder: PathBuf,
    /// The primary's; a standby must not have a lower one.
    pub max_connections: i64,
}

/// The running standby, or the primary that it was made.
pub struct Standby {
    process: Child,
    /// Its way to the primary.
    pub behind: Proxy,
    socket: PathBuf,
}

impl Standby {
    /// Copies the primary and starts to follow it.
    ///
    /// # Errors
    /// The copy fails, or the server does not start; the words hold the end of the log.
    pub async fn start(following: Following<'_>) -> Result<Self> {
        let folder = following.folder;
        let program = fs::read_link(format!("/proc/{}/exe", following.postmaster))?;
        let programs = program.parent().context("a program without a folder")?;
        let owner = Owner::of(following.postmaster)?;
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let data = folder.join("data");
        fs::create_dir(&data)?;
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
        owner.give(&folder)?;
        owner.give(&data)?;
        let behind = Proxy::open(following.primary).await?;
        let (user, password) = following.login.split_once(':').context("a login")?;
        let port = behind.address().port();
        let data = data.display().to_string();
        // The proxy reads the protocol as it is without encryption.
        let primary =
            format!("host=127.0.0.1 port={port} user={user} sslmode=disable gssencmode=disable");
        let copy = [
            "--pgdata",
            &data,
            "--dbname",
            &primary,
            "--wal-method",
            "stream",
            "--checkpoint",
            "fast",
            "--write-recovery-conf",
        ];
        let env = [("PGPASSWORD".to_owned(), password.to_owned())];
        let log = folder.join("copy.log");
        let mut copying = owner.start(&programs.join("pg_basebackup"), &copy, &env, &log)?;
        copying.ended_well(COPIED_WITHIN).await?;
        let socket = folder.display().to_string();
        let settings = [
            format!("unix_socket_directories={socket}"),
            "listen_addresses=".to_owned(),
            "port=5432".to_owned(),
            format!("max_connections={}", following.max_connections),
        ];
        let mut args = vec!["-D", &data];
        args.extend(settings.iter().flat_map(|setting| ["-c", setting]));
        let process = owner.start(&program, &args, &[], &folder.join("standby.log"))?;
        Ok(Self {
            process,
            behind,
            socket: folder.join(".s.PGSQL.5432"),
        })
    }

    /// Where it takes connections.
    pub fn upstream(&self) -> Upstream {
        Upstream::Unix(self.socket.clone())
    }

    /// Makes it the primary.
    ///
    /// # Errors
    /// It is not promoted in time.
    pub async fn promote(&mut self, as_superuser: &Ledger) -> Result<()> {
        self.process.require_alive()?;
        let promoted = "SELECT pg_promote(true, 30)::int::bigint";
        anyhow::ensure!(as_superuser.number(promoted).await? == 1, "not promoted");
        Ok(())
    }
}

/// The user that the primary runs as; another one than ours where we are root.
struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    fn of(pid: u32) -> Result<Self> {
        let process = fs::metadata(format!("/proc/{pid}"))?;
        Ok(Self {
            user: process.uid(),
            group: process.gid(),
        })
    }

    fn give(&self, path: &Path) -> Result<()> {
        if geteuid().is_root() {
            chown(path, Some(self.user), Some(self.group))?;
        }
        Ok(())
    }

    fn start(
        &self,
        program: &Path,
        args: &[&str],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Child> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let owner = (self.user, self.group);
        Child::start_as(owner, &name, program, &args, env, log)
    }
}
