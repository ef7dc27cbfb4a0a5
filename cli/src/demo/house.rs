//! The folder of the demonstration: logins, keys, logs, the socket.
//!
//! Invariant: one demonstration owns it (flock), whoever else finds it locked leaves it alone, and its
//! owner removes it at the end. What is secret in it is for this user alone.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::roles::files;

/// The folder and its lock.
pub(super) struct House {
    folder: PathBuf,
    _lock: File,
}

impl House {
    /// Takes the folder, emptied of what a killed demonstration left in it.
    pub(super) fn take(folder: PathBuf) -> Result<Self, Failure> {
        files::make_folder(&folder)?;
        let lock = lock(&folder)?;
        for entry in fs::read_dir(&folder).map_err(|why| refuse(&folder, &why))? {
            let path = entry.map_err(|why| refuse(&folder, &why))?.path();
            let gone = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false if path == lock_path(&folder) => Ok(()),
                false => fs::remove_file(&path),
            };
            gone.map_err(|why| refuse(&path, &why))?;
        }
        // The server may run as another user, who has to get into the folder.
        let mode = fs::Permissions::from_mode(0o711);
        fs::set_permissions(&folder, mode).map_err(|why| refuse(&folder, &why))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file that only this user reads.
    pub(super) fn secret(&self, name: &str, text: &SecretString) -> Result<(), Failure> {
        files::write_secret(&self.path(name), text.expose_secret())
    }

    /// Removes it.
    pub(super) fn leave(self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("demo.lock")
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = lock_path(folder);
    let file = File::create(&path).map_err(|why| refuse(&path, &why))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            Exit::Conflict,
            "demo",
            &folder.display().to_string(),
            "a demonstration runs here already",
            "watch that one, end it with Ctrl-C, or name another folder by --data-dir",
        )),
        Err(TryLockError::Error(why)) => Err(refuse(&path, &why)),
    }
}

fn refuse(path: &Path, why: &std::io::Error) -> Failure {
    let hint = "name a folder that this user may write by --data-dir";
    Failure::new(
        Exit::Config,
        "demo",
        &path.display().to_string(),
        &why.to_string(),
        hint,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_owner_finds_it_empty_and_removes_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("demo");
        fs::create_dir_all(folder.join("old")).unwrap();
        fs::write(folder.join("old/log"), "of a killed one").unwrap();
        let house = House::take(folder.clone()).unwrap();
        assert!(!folder.join("old").exists());
        let Err(refusal) = House::take(folder.clone()) else {
            panic!("two owners")
        };
        assert_eq!(refusal.code(), Exit::Conflict.code());
        house.leave();
        assert!(!folder.exists());
    }
}
