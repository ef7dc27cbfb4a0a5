//! The first admin's key in the data folder.
//!
//! Invariant: a key that somebody ended is not brought back by a restart; who may write the folder and
//! the database gets a new one by removing the file.

use std::fs;
use std::path::Path;

use certmill_crypto::token::ApiKey;
use certmill_domain::api_key::NAME_LEN_MAX;
use certmill_pg::Pool;
use certmill_service::keys::{self, Standing};
use certmill_settings::{Settings, read_key_file};
use secrecy::ExposeSecret as _;

use super::{files, refusal};
use crate::exit::Exit;
use crate::failure::Failure;

/// Makes sure that `admin.key` holds a key that the database accepts. The file is written before
/// the row, so that a crash in between is mended by the next start.
pub(super) async fn ensure_key(pool: &Pool, settings: &Settings) -> Result<(), Failure> {
    let path = settings.data_dir.join("admin.key");
    let key = match fs::exists(&path) {
        Ok(true) => read(&path)?,
        _ => {
            let key = ApiKey::generate().map_err(|why| refusal::system("admin key", &why))?;
            files::write_secret(&path, &format!("{}\n", key.expose()))?;
            key
        }
    };
    let standing = keys::standing(pool, &key).await;
    match standing.map_err(refusal::service)? {
        Standing::Valid => Ok(()),
        Standing::Ended => {
            tracing::warn!(
                event = "admin_key_ended",
                "the key in {} has expired or was revoked; remove the file for a new one at the \
                 next start",
                path.display()
            );
            Ok(())
        }
        Standing::Unknown => {
            let name = format!("admin-of-{}", settings.worker.name);
            let name: String = name.chars().take(NAME_LEN_MAX).collect();
            keys::register_first(pool, &key, &name)
                .await
                .map_err(refusal::service)
        }
    }
}

fn read(path: &Path) -> Result<ApiKey, Failure> {
    let refuse = |why: String| {
        let hint = "remove the file, and a new key is made";
        Failure::new(
            Exit::Config,
            "admin key",
            &path.display().to_string(),
            &why,
            hint,
        )
    };
    let text = read_key_file("admin key", path).map_err(|problem| refuse(problem.to_string()))?;
    ApiKey::parse(text.expose_secret().trim()).map_err(|why| refuse(why.to_string()))
}
