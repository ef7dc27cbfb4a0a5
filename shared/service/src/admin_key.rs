//! API keys: the first admin's, and the check of every request's.

use crate::context::{begin, commit};
use crate::{Caller, Error, Role};
use certmill_crypto::token::ApiKey;
use certmill_domain::ids::TeamId;
use certmill_pg::Pool;
use certmill_store::api_key;

/// Whether this database accepts the key.
///
/// # Errors
/// Failures of the database.
pub async fn is_known(pool: &Pool, key: &ApiKey) -> Result<bool, Error> {
    let mut tx = begin(pool).await?;
    let row = api_key::valid_by_prefix(&mut tx, key.id()).await?;
    Ok(row.is_some_and(|row| key.matches(&row.secret_sha256)))
}

/// Registers an admin key that its owner already has on disk, so that a crash between the two
/// steps never loses the only admin.
///
/// # Errors
/// Failures of the database; [`Error::Store`] with a conflict if another key has the same prefix.
pub async fn register_admin(pool: &Pool, key: &ApiKey, name: &str) -> Result<(), Error> {
    let mut tx = begin(pool).await?;
    api_key::insert(
        &mut tx,
        TeamId::DEFAULT,
        name,
        Role::Admin.as_str(),
        key.id(),
        &key.hash(),
    )
    .await?;
    commit(tx).await
}

/// Who sent this bearer key; `None` for a key that is malformed, unknown, expired or revoked.
///
/// # Errors
/// Failures of the database.
pub async fn authenticate(pool: &Pool, bearer: &str) -> Result<Option<Caller>, Error> {
    let Ok(key) = ApiKey::parse(bearer) else {
        return Ok(None);
    };
    let mut tx = begin(pool).await?;
    let row = api_key::valid_by_prefix(&mut tx, key.id()).await?;
    Ok(row
        .filter(|row| key.matches(&row.secret_sha256))
        .and_then(|row| {
            Some(Caller {
                team_id: row.team_id,
                actor: row.id.to_string(),
                role: Role::parse(&row.role)?,
                request_id: None,
                trace_id: None,
            })
        }))
}
