//! The key-encryption files: loaded by the roles that need them, made only by `up` and
//! `migrate --init`, and only while the database has nothing that older files sealed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use certmill_crypto::seal::{Kek, KekFileError};
use certmill_settings::Settings;

use super::files;
use crate::exit::Exit;
use crate::failure::Failure;

/// Where the keys of one purpose lie.
#[derive(Clone)]
pub(super) struct KeyFiles {
    /// `ca` or `app`.
    pub purpose: &'static str,
    /// The key.
    pub file: PathBuf,
    /// Another key, while keys are rotated.
    pub next: PathBuf,
}

/// The files that seal CA keys.
pub(super) fn of_ca(settings: &Settings) -> KeyFiles {
    KeyFiles {
        purpose: "ca",
        file: settings.ca_kek_file.clone(),
        next: settings.ca_kek_next_file.clone(),
    }
}

/// The files that seal the other secrets.
pub(super) fn of_app(settings: &Settings) -> KeyFiles {
    KeyFiles {
        purpose: "app",
        file: settings.app_kek_file.clone(),
        next: settings.app_kek_next_file.clone(),
    }
}

/// Makes the files of both purposes that are missing.
pub(super) fn make_missing(settings: &Settings) -> Result<(), Failure> {
    for path in [&settings.ca_kek_file, &settings.app_kek_file] {
        if let Some(folder) = path.parent() {
            files::make_folder(folder)?;
        }
        match Kek::generate_into(path) {
            Ok(_) | Err(KekFileError::Exists { .. }) => {}
            Err(why) => return Err(refuse(path, &why)),
        }
    }
    Ok(())
}

/// Whether both files are there.
pub(super) fn are_there(settings: &Settings) -> bool {
    settings.ca_kek_file.exists() && settings.app_kek_file.exists()
}

impl KeyFiles {
    /// Loads the key, and the other one where there is one.
    pub(super) fn load(&self) -> Result<Vec<Arc<Kek>>, Failure> {
        let first = Kek::load(&self.file).map_err(|why| refuse(&self.file, &why))?;
        let mut keks = vec![Arc::new(first)];
        match Kek::load(&self.next) {
            Ok(next) => keks.push(Arc::new(next)),
            Err(why) if why.is_missing() => {}
            Err(why) => return Err(refuse(&self.next, &why)),
        }
        Ok(keks)
    }

    /// Loads the files that a role may do without: `None` if they are not there.
    pub(super) fn load_optional(&self) -> Result<Option<Vec<Arc<Kek>>>, Failure> {
        if self.file.exists() {
            self.load().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Loads what can be loaded while the process runs; a file that cannot is said in the log, and
    /// the keyring in memory stays.
    pub(super) fn reload(&self) -> Vec<Arc<Kek>> {
        let mut keks = Vec::new();
        for path in [&self.file, &self.next] {
            match Kek::load(path) {
                Ok(kek) => keks.push(Arc::new(kek)),
                Err(why) if why.is_missing() => {}
                Err(why) => tracing::error!(
                    event = "kek_file_unusable",
                    purpose = self.purpose,
                    "key-encryption file: {why}; the keys in memory stay in use"
                ),
            }
        }
        keks
    }
}

/// A refused key file, in words.
pub(super) fn refuse(path: &Path, why: &KekFileError) -> Failure {
    let hint = if why.is_missing() {
        "copy the file from a process that has it; `certmill migrate --init` makes both for an empty database"
    } else {
        ""
    };
    Failure::new(
        Exit::Config,
        "key-encryption file",
        &path.display().to_string(),
        &why.to_string(),
        hint,
    )
}
