//! Where a new API key goes: a new file of mode 0600, or stdout.
//!
//! Invariant: the file is made before the key is asked for, so that a key is never drawn for a
//! place that cannot take it, and a file that is there is never overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use certmill_settings::Secret;
use secrecy::ExposeSecret as _;

use crate::exit::Exit;
use crate::failure::Failure;

/// A place for one secret.
#[derive(Debug)]
pub enum SecretOut {
    /// A new file, empty so far.
    File {
        /// Where it lies.
        path: PathBuf,
        /// The open file.
        file: File,
    },
    /// `-`
    Stdout,
}

impl SecretOut {
    /// Makes the file, or takes stdout for `-`.
    ///
    /// # Errors
    /// Exit code 5 where the file is there already, 3 where it cannot be made.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        Self::open_file(path)
    }

    /// Makes the file; `-` is a file like any other.
    ///
    /// # Errors
    /// As [`SecretOut::open`].
    pub fn open_file(path: &Path) -> Result<Self, Failure> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        match made {
            Ok(file) => Ok(Self::File {
                path: path.to_owned(),
                file,
            }),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Err(Failure::new(
                Exit::Conflict,
                "key file",
                &path.display().to_string(),
                "exists already and is never overwritten",
                "name another file by --out, or move it away",
            )),
            Err(why) => Err(Failure::new(
                Exit::Config,
                "key file",
                &path.display().to_string(),
                &format!("cannot be made: {why}"),
                "name a file by --out in a folder that you may write",
            )),
        }
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Stdout => None,
        }
    }

    /// Writes the secret as one line and makes sure that it is on the disk. Stdout is left to the
    /// caller, which knows the form of what is printed.
    ///
    /// # Errors
    /// The disk's; the file is gone then.
    pub fn keep(&mut self, secret: &Secret) -> Result<(), Failure> {
        let Self::File { path, file } = self else {
            return Ok(());
        };
        let written = file
            .write_all(secret.expose_secret().as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder(path));
        written.map_err(|why| {
            remove(path);
            Failure::new(
                Exit::Failed,
                "key file",
                &path.display().to_string(),
                &format!("cannot be written: {why}"),
                "is the disk full?",
            )
        })
    }

    /// Takes the file away again: no key came.
    pub fn discard(self) {
        if let Self::File { path, .. } = self {
            remove(&path);
        }
    }
}

fn remove(path: &Path) {
    // What remains is an empty file that the next run names; nothing secret is lost.
    let _ = fs::remove_file(path);
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let mut out = SecretOut::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        out.keep(&Secret::from("canary")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "canary\n");
        let again = SecretOut::open(&path).unwrap_err();
        assert_eq!((again.code(), fs::read(&path).unwrap().len()), (5, 7));
        out.discard();
        assert!(!path.exists());
        let nowhere = SecretOut::open(&dir.path().join("no/k")).unwrap_err();
        assert_eq!(nowhere.code(), 3);
        assert!(SecretOut::open(Path::new("-")).unwrap().path().is_none());
    }
}
