//! The first admin's key in the data folder.

use std::fs;
use std::path::Path;

use certmill_crypto::token::ApiKey;
use certmill_pg::Pool;
use certmill_service::admin_key;
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
    if admin_key::is_known(pool, &key)
        .await
        .map_err(refusal::service)?
    {
        return Ok(());
    }
    let name = format!("admin of {}", settings.worker.name);
    admin_key::register_admin(pool, &key, &name)
        .await
        .map_err(refusal::service)
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
