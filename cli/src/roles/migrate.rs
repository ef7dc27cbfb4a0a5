//! The role `migrate`: migrations and first rows, then exit.

use certmill_settings::Settings;

use super::{admin, database, files};
use crate::exit::Exit;
use crate::failure::Failure;

/// Migrates and seeds; with `init` it also makes missing key files, and the first admin's key unless
/// a bootstrap token is to open the door.
pub(super) async fn run(settings: Settings, init: bool) -> Result<Exit, Failure> {
    let urls = database::urls(&settings)?;
    if init {
        files::make_folder(&settings.data_dir)?;
    }
    database::prepare(&settings, &urls, init).await?;
    if init && settings.bootstrap_token_file.is_none() {
        let pool = database::owner_pool(&settings, &urls.owner).await?;
        admin::ensure_key(&pool, &settings).await?;
        pool.close().await;
    }
    tracing::info!(event = "migrated", "the schema is this build's");
    Ok(Exit::Ok)
}
