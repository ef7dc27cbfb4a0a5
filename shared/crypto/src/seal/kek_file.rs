//! The file of a KEK: exactly 32 raw bytes, readable by its owner only.
//!
//! Invariant: a file is written completely and made durable before it gets its
//! name, and an existing file is never replaced, since that would lose every
//! secret sealed under it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::random::RandomError;
use crate::seal::Kek;

const KEY_LEN: u64 = 32;

/// Why a KEK file could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KekFileError {
    /// The file cannot be opened, read or written.
    #[error("{path}: cannot {action} the key-encryption key: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Not exactly 32 bytes.
    #[error("{path}: needs 32 bytes, got {got}")]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        got: u64,
    },
    /// Others than the owner may read or write it.
    #[error("{path}: mode {mode:04o} lets others read the key; run: chmod 600 {path}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file of that name is there already.
    #[error("{path}: exists already and is not replaced")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl KekFileError {
    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    /// Whether the file is simply not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Kek {
    /// Reads a KEK file. Mode must be 0600 or stricter.
    ///
    /// # Errors
    /// [`KekFileError`]: missing or unreadable, too open, or not 32 bytes long.
    pub fn load(path: &Path) -> Result<Self, KekFileError> {
        let mut file = File::open(path).map_err(KekFileError::io(path, "open"))?;
        // The open file is asked, not the path: the answer cannot change in between.
        let meta = file.metadata().map_err(KekFileError::io(path, "inspect"))?;
        let mode = meta.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KekFileError::Mode {
                path: path.to_owned(),
                mode,
            });
        }
        let mut content = Zeroizing::new(Vec::with_capacity(64));
        let limit = KEY_LEN + 1;
        (&mut file)
            .take(limit)
            .read_to_end(&mut content)
            .map_err(KekFileError::io(path, "read"))?;
        let key = <[u8; 32]>::try_from(content.as_slice()).map_err(|_| KekFileError::Length {
            path: path.to_owned(),
            got: meta.len().max(content.len() as u64),
        })?;
        Ok(Self::from_bytes(key))
    }

    /// Draws a KEK and writes its file with mode 0600. Of two processes that race,
    /// one wins and the other gets [`KekFileError::Exists`].
    ///
    /// # Errors
    /// [`KekFileError`]: the file exists, or cannot be written.
    pub fn generate_into(path: &Path) -> Result<Self, KekFileError> {
        let kek = Self::generate()?;
        let suffix = hex::encode(crate::random::bytes::<8>()?);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let temporary = folder.join(format!(".kek-{suffix}"));
        let written = write_new(&temporary, kek.bytes())
            .map_err(KekFileError::io(path, "write"))
            .and_then(|()| {
                // A hard link fails if the name is taken; a rename would replace it.
                fs::hard_link(&temporary, path).map_err(|source| match source.kind() {
                    io::ErrorKind::AlreadyExists => KekFileError::Exists {
                        path: path.to_owned(),
                    },
                    _ => KekFileError::io(path, "name")(source),
                })
            });
        let removed = fs::remove_file(&temporary);
        written?;
        removed.map_err(KekFileError::io(&temporary, "remove the temporary file of"))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(KekFileError::io(path, "make durable"))?;
        Ok(kek)
    }
}

fn write_new(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write(path: &Path, bytes: &[u8], mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn generated_file_is_private_complete_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.kek");
        assert!(Kek::load(&path).err().unwrap().is_missing());
        let made = Kek::generate_into(&path).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(
            (meta.len(), meta.mode() & 0o7777, meta.nlink()),
            (32, 0o600, 1)
        );
        assert_eq!(Kek::load(&path).unwrap().id(), made.id());
        let again = Kek::generate_into(&path).err().unwrap();
        assert!(matches!(again, KekFileError::Exists { .. }));
        assert_eq!(Kek::load(&path).unwrap().id(), made.id());
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "a temporary file was left"
        );
    }

    #[test]
    fn wrong_length_is_refused_without_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        for got in [0_usize, 31, 33, 64, 5000] {
            write(&path, &vec![b'S'; got], 0o600);
            let text = Kek::load(&path).err().unwrap().to_string();
            assert!(
                text.ends_with(&format!("needs 32 bytes, got {got}")),
                "{text}"
            );
            assert!(
                text.contains(path.to_str().unwrap()) && !text.contains("SSS"),
                "{text}"
            );
        }
    }

    #[test]
    fn open_modes_are_refused_and_strict_ones_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
            write(&path, &[1; 32], mode);
            let error = Kek::load(&path).err().unwrap();
            assert!(
                matches!(error, KekFileError::Mode { mode: m, .. } if m == mode),
                "{error}"
            );
        }
        for mode in [0o600, 0o400] {
            write(&path, &[1; 32], 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(Kek::load(&path).is_ok());
        }
    }
}
