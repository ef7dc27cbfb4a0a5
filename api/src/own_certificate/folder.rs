//! `api-tls/` in the data folder: key, chain and name of the own certificate.
//!
//! Invariant: files are 0600 and replaced whole, so that a kill leaves the old or the new one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::tls::TlsError;

const KEY: &str = "key.pem";
const CHAIN: &str = "chain.pem";
const NAME: &str = "name";

/// The folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens it, making it if it is not there.
    pub(super) fn open(data_dir: &Path) -> Result<Self, TlsError> {
        let path = data_dir.join("api-tls");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|why| TlsError::new(format!("{} cannot be made: {why}", path.display())))?;
        Ok(Self(path))
    }

    pub(super) fn read_key(&self) -> Option<SecretString> {
        fs::read_to_string(self.0.join(KEY))
            .ok()
            .map(SecretString::from)
    }

    pub(super) fn read_chain(&self) -> Option<String> {
        fs::read_to_string(self.0.join(CHAIN)).ok()
    }

    pub(super) fn read_name(&self) -> Option<String> {
        fs::read_to_string(self.0.join(NAME)).ok()
    }

    pub(super) fn write_key(&self, pem: &str) -> Result<(), TlsError> {
        self.write(KEY, pem)
    }

    pub(super) fn write_chain(&self, pem: &str) -> Result<(), TlsError> {
        self.write(CHAIN, pem)
    }

    pub(super) fn write_name(&self, name: &str) -> Result<(), TlsError> {
        self.write(NAME, name)
    }

    pub(super) fn forget_chain(&self) -> Result<(), TlsError> {
        match fs::remove_file(self.0.join(CHAIN)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(self.unwritable(CHAIN, &why)),
            _ => Ok(()),
        }
    }

    fn write(&self, file: &str, text: &str) -> Result<(), TlsError> {
        let (path, draft) = (self.0.join(file), self.0.join(format!("{file}.new")));
        let written = (|| {
            // A draft that a kill left behind may have another mode; it is made anew.
            match fs::remove_file(&draft) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
            let mut out = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&draft)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            fs::rename(&draft, &path)
        })();
        written.map_err(|why| self.unwritable(file, &why))
    }

    fn unwritable(&self, file: &str, why: &io::Error) -> TlsError {
        TlsError::new(format!(
            "{} cannot be written: {why}",
            self.0.join(file).display()
        ))
    }
}
