//! The embedded server of another process on this machine, for commands beside a running `up`.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::secrets::Passwords;
use super::socket::Endpoint;
use super::{DATABASE, Login, pidfile};
use crate::{Error, Result};

/// The owner's connection string of the server that runs in this data folder; `None` if none does.
///
/// # Errors
/// [`Error::File`] or [`Error::Embedded`] if its files cannot be read.
pub fn running_owner_url(data_dir: &Path) -> Result<Option<SecretString>> {
    running_url(data_dir, Login::Owner)
}

/// The application's, as [`running_owner_url`].
///
/// # Errors
/// As there.
pub fn running_app_url(data_dir: &Path) -> Result<Option<SecretString>> {
    running_url(data_dir, Login::App)
}

fn running_url(data_dir: &Path, login: Login) -> Result<Option<SecretString>> {
    let Ok(root) = data_dir.canonicalize() else {
        return Ok(None);
    };
    let Some(pgdata) = clusters(&root).find(|dir| pidfile::live_postmaster(dir).is_some()) else {
        return Ok(None);
    };
    let text = fs::read_to_string(pgdata.join("postmaster.pid")).map_err(|source| Error::File {
        doing: "read",
        path: pgdata.join("postmaster.pid"),
        source,
    })?;
    let endpoint = endpoint(&text).ok_or_else(|| {
        Error::Embedded(format!(
            "{} does not say yet where the server listens; try again",
            pgdata.join("postmaster.pid").display()
        ))
    })?;
    let passwords = Passwords::open(&root)?;
    Ok(Some(endpoint.url(
        login.user(),
        passwords.of(login),
        DATABASE,
    )))
}

/// The folders of clusters in a data folder.
pub(super) fn clusters(root: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("pgdata-"))
    })
}

/// After the process, the folder and the start follow the port and the folder of the socket, which is
/// empty without one.
fn endpoint(pid_file: &str) -> Option<Endpoint> {
    let mut lines = pid_file.lines().skip(3);
    let port = lines.next()?.trim().parse().ok()?;
    match lines.next()?.trim() {
        "" => Some(Endpoint::Loopback(port)),
        folder => Some(Endpoint::Socket(folder.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_says_where_the_server_listens() {
        let file = |tail: &str| format!("1\n/data\n17\n{tail}");
        assert_eq!(
            endpoint(&file("5432\n/data/pg-socket\n\n")),
            Some(Endpoint::Socket("/data/pg-socket".into()))
        );
        assert_eq!(
            endpoint(&file("40001\n\n127.0.0.1\n")),
            Some(Endpoint::Loopback(40001))
        );
        assert_eq!(endpoint("1\n/data\n"), None);
    }
}
