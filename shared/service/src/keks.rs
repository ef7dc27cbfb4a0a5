//! Whether a key file that a role loaded belongs to this database.

use crate::Error;
use crate::context::begin;
use certmill_pg::Pool;
use certmill_store::kek;

/// Refuses a key-encryption key whose id this database does not know: what it sealed could never
/// be opened again by the others.
///
/// # Errors
/// [`Error::Misconfigured`] naming both ids.
pub async fn require_known(pool: &Pool, purpose: &str, id: &str) -> Result<(), Error> {
    let mut tx = begin(pool).await?;
    let known = kek::known(&mut tx, purpose).await?;
    if known.iter().any(|one| one == id) {
        return Ok(());
    }
    let listed = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Err(Error::Misconfigured(format!(
        "the {purpose}.kek file has the key id {id}, this database was written with {listed}; \
         give this process the file of that id"
    )))
}
