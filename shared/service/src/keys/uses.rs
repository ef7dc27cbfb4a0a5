//! When keys were last used.

use crate::Error;
use certmill_domain::ids::ApiKeyId;
use certmill_pg::Pool;
use certmill_store::api_key;
use std::time::Duration;

/// Notes that keys were used so long ago each; at most one write a key and minute over all
/// replicas. How many rows were written.
///
/// # Errors
/// Failures of the database.
pub async fn mark_used(pool: &Pool, uses: &[(ApiKeyId, Duration)]) -> Result<u64, Error> {
    let mut conn = pool
        .acquire()
        .await
        .map_err(|error| Error::Store(error.into()))?;
    Ok(api_key::mark_used(&mut conn, uses).await?)
}
