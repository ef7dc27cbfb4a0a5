//! The operator's file with the one-time token of the first admin.
//!
//! Invariant: a token that others can read or that could be guessed starts no server while its door
//! is open; a file that was removed after the door closed stops none.

use certmill_crypto::bootstrap_token::BootstrapToken;
use certmill_pg::Pool;
use certmill_service::keys;
use certmill_settings::{Settings, read_key_file};
use secrecy::ExposeSecret as _;

use super::refusal;
use crate::exit::Exit;
use crate::failure::Failure;

/// The token, if there is one to be taken.
pub(super) async fn load(
    settings: &Settings,
    pool: &Pool,
) -> Result<Option<BootstrapToken>, Failure> {
    let Some(path) = &settings.bootstrap_token_file else {
        return Ok(None);
    };
    if !path.try_exists().unwrap_or(true) {
        let open = keys::door_is_open(pool).await.map_err(refusal::service)?;
        if !open {
            tracing::info!(
                event = "bootstrap_closed",
                "{} is not there and not needed: there has been an admin key; remove \
                 bootstrap_token_file from the settings",
                path.display()
            );
            return Ok(None);
        }
    }
    let text = read_key_file("bootstrap token", path)
        .map_err(|problem| Failure::config(vec![problem.to_string()]))?;
    let token = BootstrapToken::new(text.expose_secret()).map_err(|why| {
        Failure::new(
            Exit::Config,
            "bootstrap token",
            &path.display().to_string(),
            &why.to_string(),
            "make one by `openssl rand -hex 32`",
        )
    })?;
    Ok(Some(token))
}
