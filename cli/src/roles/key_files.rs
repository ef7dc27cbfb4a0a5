//! The two key-encryption files: loaded by the roles that need them, made only by `up` and
//! `migrate --init`, and only while the database has nothing that older files sealed.

use std::path::Path;
use std::sync::Arc;

use certmill_crypto::seal::{Kek, KekFileError, Keyring};
use certmill_pg::Pool;
use certmill_settings::Settings;

use super::{files, refusal};
use crate::exit::Exit;
use crate::failure::Failure;

/// Both keyrings of an installation.
pub(super) struct Keyrings {
    pub ca: Arc<Keyring>,
    pub app: Arc<Keyring>,
}

/// Loads both files.
pub(super) fn load_both(settings: &Settings) -> Result<Keyrings, Failure> {
    Ok(Keyrings {
        ca: load(&settings.ca_kek_file)?,
        app: load(&settings.app_kek_file)?,
    })
}

/// Loads both files; those that are missing are made first.
pub(super) fn make_missing(settings: &Settings) -> Result<Keyrings, Failure> {
    for path in [&settings.ca_kek_file, &settings.app_kek_file] {
        if let Some(folder) = path.parent() {
            files::make_folder(folder)?;
        }
        match Kek::generate_into(path) {
            Ok(_) | Err(KekFileError::Exists { .. }) => {}
            Err(why) => return Err(refuse(path, &why)),
        }
    }
    load_both(settings)
}

/// Whether both files are there.
pub(super) fn are_there(settings: &Settings) -> bool {
    settings.ca_kek_file.exists() && settings.app_kek_file.exists()
}

/// Loads one file that the role cannot do without.
pub(super) fn load(path: &Path) -> Result<Arc<Keyring>, Failure> {
    let kek = Kek::load(path).map_err(|why| refuse(path, &why))?;
    Ok(Arc::new(Keyring::new(kek, Vec::new())))
}

/// Loads a file that the role may do without: `None` if it is not there.
pub(super) fn load_optional(path: &Path) -> Result<Option<Arc<Keyring>>, Failure> {
    if path.exists() {
        load(path).map(Some)
    } else {
        Ok(None)
    }
}

/// Refuses a file whose id the database does not know.
pub(super) async fn require_known(
    pool: &Pool,
    purpose: &str,
    keyring: &Keyring,
) -> Result<(), Failure> {
    let id = keyring.current().id().to_string();
    certmill_service::keks::require_known(pool, purpose, &id)
        .await
        .map_err(refusal::service)
}

fn refuse(path: &Path, why: &KekFileError) -> Failure {
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
