//! The operating system user that the server runs as: Postgres refuses to run as root.
//!
//! Invariant: users are read from the passwd file, never through NSS (static binaries).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::command;
use crate::{Error, Result};

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// Ourselves, since we are not root.
    Own,
    /// An unprivileged user that root switches to.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// As root `postgres`, else `nobody`; otherwise ourselves.
    pub(super) fn choose() -> Result<Self> {
        require_tools()?;
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let path = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(path).map_err(|source| Error::File {
            doing: "read",
            path: path.into(),
            source,
        })?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| find(&passwd, name))
            .ok_or_else(|| {
                Error::Embedded(
                "the server cannot run as root, and /etc/passwd has neither a user `postgres` nor \
                 `nobody`; add one (useradd --system postgres) or start certmill as an ordinary \
                 user"
                    .to_owned(),
            )
            })
    }

    /// Flags that make setpriv switch to this account.
    pub(super) fn setpriv_flags(&self) -> Vec<String> {
        match self {
            Self::Own => Vec::new(),
            Self::Other { uid, gid, .. } => vec![
                "--reuid".to_owned(),
                uid.to_string(),
                "--regid".to_owned(),
                gid.to_string(),
                "--clear-groups".to_owned(),
            ],
        }
    }

    /// Hands a file or folder over to the account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        let Self::Other { uid, gid, .. } = self else {
            return Ok(());
        };
        std::os::unix::fs::chown(path, Some(*uid), Some(*gid)).map_err(|source| Error::File {
            doing: "chown",
            path: path.into(),
            source,
        })
    }

    /// Refuses a path that the account cannot reach, naming the folder that bars the way.
    pub(super) fn require_traversable(&self, path: Option<&Path>) -> Result<()> {
        let (Self::Other { name, uid, gid }, Some(path)) = (self, path) else {
            return Ok(());
        };
        let Some(barrier) = barrier(path, *uid, *gid) else {
            return Ok(());
        };
        // An access list may allow what the mode bits do not: let the system decide.
        let allowed = command::bound("test", self, "KILL")
            .arg("-x")
            .arg(&barrier)
            .stdin(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if allowed {
            return Ok(());
        }
        Err(Error::Embedded(format!(
            "user `{name}`, which runs the server for root, cannot enter {} on the way to {}; \
             allow it (chmod o+x {}) or choose another folder (--data-dir)",
            barrier.display(),
            path.display(),
            barrier.display()
        )))
    }
}

fn find(passwd: &str, wanted: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other {
            name: name.to_owned(),
            uid,
            gid,
        })
    })
}

/// The first folder on the way to `path` whose mode does not let the user in.
fn barrier(path: &Path, uid: u32, gid: u32) -> Option<PathBuf> {
    let mut folders: Vec<&Path> = path.ancestors().collect();
    folders.reverse();
    folders
        .into_iter()
        .find(|folder| bars(folder, uid, gid))
        .map(Path::to_path_buf)
}

fn bars(folder: &Path, uid: u32, gid: u32) -> bool {
    let Ok(meta) = fs::metadata(folder) else {
        return false;
    };
    let needed = if meta.uid() == uid {
        0o100
    } else if meta.gid() == gid {
        0o010
    } else {
        0o001
    };
    meta.is_dir() && meta.mode() & needed == 0
}

fn require_tools() -> Result<()> {
    for tool in ["setsid", "setpriv"] {
        let there = command::plain(tool)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok();
        if !there {
            return Err(Error::Embedded(format!(
                "the program `{tool}` is missing, without which the server could outlive \
                 certmill; install util-linux (apt-get install util-linux) or set database_url"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn users_come_from_the_passwd_text() {
        let text = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\nbroken:x\n";
        let found = find(text, "nobody").unwrap();
        assert_eq!(
            found,
            Account::Other {
                name: "nobody".to_owned(),
                uid: 65534,
                gid: 65533
            }
        );
        assert_eq!(find(text, "postgres"), None);
        assert_eq!(find(text, "broken"), None);
    }

    #[test]
    fn the_barring_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("shut/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let shut = dir.path().join("shut");
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(barrier(&inner, 54_321, 54_321), Some(shut.clone()));
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(barrier(&inner, 54_321, 54_321), None);
    }
}
