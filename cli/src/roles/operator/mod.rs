//! What an operator does beside the database: authorities, and key-encryption keys.
//!
//! Invariant: these commands use the owner's login, since the roles themselves must not be able to
//! do what they do, and the schema must be this build's, or a newer one that accepts it.

mod ca;
mod kek;

use certmill_pg::embedded::running_owner_url;
use certmill_pg::{Pool, schema_state};
use certmill_settings::{Env, Role, Settings};

use super::{database, refusal};
use crate::args::{CaVerb, Global, KekVerb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Runs a verb of authorities.
///
/// # Errors
/// The verb's.
pub async fn ca(verb: CaVerb, global: &Global, env: &Env) -> Result<(), Failure> {
    let settings = Settings::load(Role::Up, &verb.operator().overrides(global), env)?;
    let output = Output::new(global.format(), env.var("NO_COLOR").is_some());
    ca::run(verb, &settings, output).await
}

/// Runs a verb of key-encryption keys.
///
/// # Errors
/// The verb's.
pub async fn kek(verb: KekVerb, global: &Global, env: &Env) -> Result<(), Failure> {
    let settings = Settings::load(Role::Up, &verb.operator().overrides(global), env)?;
    let output = Output::new(global.format(), env.var("NO_COLOR").is_some());
    kek::run(verb, &settings, output).await
}

/// The owner's pool: of the database that the settings name, else of the server that `up` runs in
/// this data folder.
async fn owner(settings: &Settings) -> Result<Pool, Failure> {
    let named = settings.database.migrate_url.clone();
    let url = match named {
        Some(url) => url,
        None => running_owner_url(&settings.data_dir)
            .map_err(refusal::database)?
            .ok_or_else(|| {
                Failure::new(
                    Exit::Config,
                    "database",
                    &settings.data_dir.display().to_string(),
                    "no database is named, and no embedded one runs in this data folder",
                    "set CERTMILL_MIGRATE_URL_FILE, or run `certmill up` beside this command",
                )
            })?,
    };
    let pool = database::owner_pool(settings, &url).await?;
    let state = schema_state(&pool).await.map_err(refusal::database)?;
    state.require_fit().map_err(refusal::database)?;
    Ok(pool)
}

/// A refusal of the service, with its stable code in the place of the where.
fn refused(what: &str, error: certmill_service::Error) -> Failure {
    use certmill_service::Error;
    match &error {
        Error::Conflict { code, detail } => {
            Failure::new(Exit::Conflict, what, code, detail, "nothing was changed")
        }
        Error::NotFound(_) => {
            Failure::new(Exit::NotFound, what, "not_found", &error.to_string(), "")
        }
        Error::Misconfigured(_) => {
            Failure::new(Exit::Config, what, "settings", &error.to_string(), "")
        }
        _ => Failure::new(Exit::Failed, what, "database", &error.to_string(), ""),
    }
}
