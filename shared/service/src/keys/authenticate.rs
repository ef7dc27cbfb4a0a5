//! The check of a request's key.

use crate::{Caller, Error, Role};
use certmill_crypto::token::{ApiKey, TokenError};
use certmill_domain::api_key::KeyState;
use certmill_domain::ids::ApiKeyId;
use certmill_pg::Pool;
use certmill_store::api_key;
use std::time::Duration;

/// Who sent a valid key, and for how long it stays valid if nobody ends it.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The key.
    pub key: ApiKeyId,
    /// Who asks.
    pub caller: Caller,
    /// What is left of the key's life, if it has an end.
    pub left: Option<Duration>,
}

/// What a bearer's text turned out to be.
#[derive(Debug)]
pub enum Proof {
    /// Not a key at all, or one with a typing error; the database was not asked.
    Malformed(TokenError),
    /// A key that is not known, has expired or was revoked.
    Refused,
    /// A valid key.
    Valid(Principal),
}

/// Who sent this bearer key. Hashes are compared in constant time
/// (`aws_lc_rs::constant_time::verify_slices_are_equal`), and state and end are told by the
/// database's clock.
///
/// # Errors
/// Failures of the database.
pub async fn authenticate(pool: &Pool, bearer: &str) -> Result<Proof, Error> {
    let key = match ApiKey::parse(bearer) {
        Ok(key) => key,
        Err(why) => return Ok(Proof::Malformed(why)),
    };
    let mut conn = pool
        .acquire()
        .await
        .map_err(|error| Error::Store(error.into()))?;
    let found = api_key::credential(&mut conn, key.id()).await;
    let found = conn.settled_by(found)?;
    let valid = found
        .filter(|row| key.matches(&row.secret_sha256) && row.state == KeyState::Valid)
        .and_then(|row| {
            let caller = Caller {
                team_id: row.team_id,
                actor: row.id.to_string(),
                role: Role::parse(&row.role)?,
                request_id: None,
                trace_id: None,
            };
            Some(Principal {
                key: row.id,
                caller,
                left: row.left,
            })
        });
    Ok(valid.map_or(Proof::Refused, Proof::Valid))
}
