//! The data folder: which cluster is in it, who owns it, how a new one is made.
//!
//! Invariant: `pgdata-<major>` appears by rename, so it is either absent or complete; the lock
//! is taken before anything in the folder is touched.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::account::Account;
use super::binaries::Binaries;
use super::secrets::{self, Passwords};
use super::{Login, command};
use crate::{Error, Result};

/// certmill's data folder, seen as the home of a cluster.
#[derive(Debug)]
pub(super) struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// Makes the folder if it is missing and checks that the server's user can enter it.
    pub(super) fn open(root: &Path, account: &Account) -> Result<Self> {
        let failed = |source| Error::File {
            doing: "create",
            path: root.into(),
            source,
        };
        if !root.exists() {
            // Others may pass through, but not list: the server's user lives below.
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o711)
                .create(root)
                .map_err(failed)?;
        }
        let root = root.canonicalize().map_err(failed)?;
        account.require_traversable(Some(&root))?;
        Ok(Self { root })
    }

    /// The folder's full path.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The server's log file.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    /// Takes the folder for this process; the kernel gives it back however we end.
    pub(super) fn lock(&self) -> Result<File> {
        let path = self.root.join("pg.lock");
        let failed = |source| Error::File {
            doing: "open",
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                let owner = fs::read_to_string(&path).unwrap_or_default();
                return Err(Error::Embedded(format!(
                    "{} is in use by another certmill (process {}); stop that one, or give this \
                     one another folder (--data-dir)",
                    self.root.display(),
                    owner.trim()
                )));
            }
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(file)
    }

    /// Major version of the cluster that is here already.
    pub(super) fn existing_major(&self) -> Result<Option<u32>> {
        let mut majors: Vec<u32> = fs::read_dir(&self.root)
            .map_err(|source| Error::File {
                doing: "list",
                path: self.root.clone(),
                source,
            })?
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_prefix("pgdata-")?
                    .parse()
                    .ok()
            })
            .collect();
        majors.sort_unstable();
        if let [_, _, ..] = majors.as_slice() {
            return Err(Error::Embedded(format!(
                "{} holds clusters of several versions ({majors:?}), so it is not clear which one \
                 is meant; move all but one out of it",
                self.root.display()
            )));
        }
        Ok(majors.pop())
    }

    /// Path of the cluster of one version, refusing one that says otherwise inside.
    pub(super) fn cluster(&self, major: u32) -> Result<PathBuf> {
        let pgdata = self.root.join(format!("pgdata-{major}"));
        if !pgdata.exists() {
            return Ok(pgdata);
        }
        let file = pgdata.join("PG_VERSION");
        let inside = fs::read_to_string(&file).map_err(|source| Error::File {
            doing: "read",
            path: file.clone(),
            source,
        })?;
        if inside.trim() == major.to_string() {
            return Ok(pgdata);
        }
        Err(Error::Embedded(format!(
            "{} says that its cluster was made by PostgreSQL {}, not {major}; name the folder \
             after its version, or move the data over with pg_upgrade",
            file.display(),
            inside.trim()
        )))
    }

    /// Makes a new cluster: UTF8, C.UTF-8, checksums, scram.
    pub(super) async fn init(
        &self,
        binaries: &Binaries,
        account: &Account,
        passwords: &Passwords,
        durable: bool,
    ) -> Result<()> {
        let pgdata = self.cluster(binaries.major)?;
        let partial = self.root.join(format!("partial-pgdata-{}", binaries.major));
        let password = self.root.join("pg-initdb.password");
        remove_tree(&partial)?;
        make_private(&partial)?;
        account.own(&partial)?;
        secrets::write_private(&password, passwords.of(Login::Superuser).expose_secret())?;
        account.own(&password)?;
        let mut initdb = command::bound(binaries.program("initdb"), account, "KILL");
        initdb
            .arg("--pgdata")
            .arg(&partial)
            .arg("--pwfile")
            .arg(&password)
            .args(["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args([
                "--data-checksums",
                "--auth=scram-sha-256",
                "--no-instructions",
            ]);
        if !durable {
            initdb.arg("--no-sync");
        }
        // A thread of its own, since the child is bound to the thread that spawns it.
        let answer = tokio::task::spawn_blocking(move || initdb.output()).await;
        fs::remove_file(&password).ok();
        let output = answer
            .map_err(|e| Error::Embedded(format!("initdb was not awaited: {e}")))?
            .map_err(|e| Error::Embedded(format!("initdb cannot be run: {e}")))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let why = text
                .lines()
                .find(|l| l.contains("rror"))
                .unwrap_or_else(|| text.trim());
            return Err(Error::Embedded(format!(
                "initdb could not make {}: {why} (is the disk full, or the folder not writable?)",
                pgdata.display()
            )));
        }
        fs::rename(&partial, &pgdata).map_err(|source| Error::File {
            doing: "rename to",
            path: pgdata.clone(),
            source,
        })
    }
}

fn make_private(path: &Path) -> Result<()> {
    let failed = |source| Error::File {
        doing: "create",
        path: path.into(),
        source,
    };
    fs::create_dir(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)
}

fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File {
            doing: "remove",
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(dir: &tempfile::TempDir) -> DataFolder {
        DataFolder::open(dir.path(), &Account::Own).unwrap()
    }

    #[test]
    fn a_second_owner_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let _held = folder(&dir).lock().unwrap();
        let words = folder(&dir).lock().unwrap_err().to_string();
        assert!(words.contains(&std::process::id().to_string()), "{words}");
        assert!(words.contains("--data-dir"), "{words}");
    }

    #[test]
    fn the_existing_major_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(folder(&dir).existing_major().unwrap(), None);
        fs::create_dir(dir.path().join("pgdata-16")).unwrap();
        assert_eq!(folder(&dir).existing_major().unwrap(), Some(16));
        fs::create_dir(dir.path().join("pgdata-17")).unwrap();
        let words = folder(&dir).existing_major().unwrap_err().to_string();
        assert!(words.contains("several versions"), "{words}");
    }

    #[test]
    fn a_folder_of_another_version_inside_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let pgdata = dir.path().join("pgdata-15");
        fs::create_dir(&pgdata).unwrap();
        fs::write(pgdata.join("PG_VERSION"), "14\n").unwrap();
        let words = folder(&dir).cluster(15).unwrap_err().to_string();
        assert!(words.contains("PostgreSQL 14"), "{words}");
    }
}
