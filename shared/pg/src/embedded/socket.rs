//! Where the embedded server listens: a unix socket in the data folder, or loopback where the
//! socket's path would be too long for the operating system.
//!
//! Invariant: never an address that another machine can reach.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::account::Account;
use crate::{Error, Result};

/// Longest socket path of Linux, its closing zero byte left out.
const LONGEST_PATH_BYTES: usize = 107;

/// Port number that names the socket file; nothing listens on it.
const SOCKET_PORT: u16 = 5432;

/// How to reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Folder of the socket.
    Socket(PathBuf),
    /// Port on 127.0.0.1.
    Loopback(u16),
}

impl Endpoint {
    /// The socket if its path fits, else a free port of loopback.
    pub(super) fn choose(root: &Path, account: &Account) -> Result<Self> {
        let dir = root.join("pg-socket");
        if !fits(&dir) {
            return free_port().map(Self::Loopback);
        }
        let failed = |source| Error::File {
            doing: "create",
            path: dir.clone(),
            source,
        };
        fs::create_dir_all(&dir).map_err(failed)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).map_err(failed)?;
        account.own(&dir)?;
        Ok(Self::Socket(dir))
    }

    /// The server's settings that make it listen here only.
    pub(super) fn settings(&self) -> [(&'static str, String); 3] {
        let (port, addresses, socket) = match self {
            Self::Socket(dir) => (SOCKET_PORT, "", dir.display().to_string()),
            Self::Loopback(port) => (*port, "127.0.0.1", String::new()),
        };
        [
            ("port", port.to_string()),
            ("listen_addresses", addresses.to_owned()),
            ("unix_socket_directories", socket),
        ]
    }

    /// Connection options without user and database.
    pub(super) fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().ssl_mode(PgSslMode::Disable);
        match self {
            Self::Socket(dir) => options.socket(dir).port(SOCKET_PORT),
            Self::Loopback(port) => options.host("127.0.0.1").port(*port),
        }
    }

    /// Connection string, in a form that psql understands as well.
    pub(super) fn url(&self, user: &str, password: &SecretString, database: &str) -> SecretString {
        let password = password.expose_secret();
        SecretString::from(match self {
            Self::Socket(dir) => format!(
                "postgres://{user}:{password}@localhost:{SOCKET_PORT}/{database}?host={}",
                encode(&dir.display().to_string())
            ),
            Self::Loopback(port) => {
                format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
            }
        })
    }
}

fn fits(dir: &Path) -> bool {
    let socket = dir.join(format!(".s.PGSQL.{SOCKET_PORT}"));
    // A comma separates folders in the server's setting.
    socket.as_os_str().len() <= LONGEST_PATH_BYTES
        && dir.to_str().is_some_and(|text| !text.contains([',', '"']))
}

fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| Error::Embedded(format!("no free port on 127.0.0.1: {e}")))
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_does_not_fit() {
        assert!(fits(Path::new("/var/lib/certmill/pg-socket")));
        assert!(!fits(Path::new(&format!("/{}", "x".repeat(100)))));
        assert!(!fits(Path::new("/a,b")));
    }

    #[test]
    fn odd_folders_are_encoded() {
        assert_eq!(encode("/a b/ü"), "/a%20b/%C3%BC");
    }
}
