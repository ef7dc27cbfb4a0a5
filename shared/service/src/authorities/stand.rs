//! The authorities as they are shown, and the trust anchors that follow from them.

use crate::Error;
use crate::context::begin;
use crate::publication::lists;
use certmill_crypto::chain::certificate_pem;
use certmill_pg::Pool;
use certmill_store::ca_key::{self, CaKey};
use certmill_store::issuer;
use std::collections::HashMap;
use uuid::Uuid;

/// An authority with what hangs on it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The authority.
    pub authority: CaKey,
    /// The issuers that sign with it.
    pub issuers: Vec<String>,
    /// Whether revocation lists are made for it; else OCSP alone tells what is revoked.
    pub publishes_lists: bool,
    /// How many versions that have not ended it signed.
    pub live_versions: i64,
}

/// All authorities, oldest first. Reads all versions.
///
/// # Errors
/// Failures of the database.
pub async fn list(owner: &Pool) -> Result<Vec<Standing>, Error> {
    let mut tx = begin(owner).await?;
    let all = ca_key::list(&mut tx).await?;
    let versions: HashMap<Uuid, i64> = ca_key::live_versions(&mut tx).await?.into_iter().collect();
    let issuers = issuer::with_authority(&mut tx).await?;
    let standing = all.into_iter().map(|authority| Standing {
        // One that cannot be read signs nothing.
        publishes_lists: lists(&authority.certificate_der).unwrap_or(false),
        issuers: issuers
            .iter()
            .filter(|one| one.ca_key_id == Some(authority.id))
            .map(|one| one.name.clone())
            .collect(),
        live_versions: versions.get(&authority.id).copied().unwrap_or(0),
        authority,
    });
    Ok(standing.collect())
}

/// The roots of all authorities that are neither retired nor ended, in PEM: what clients trust.
///
/// # Errors
/// [`Error::NotFound`] before the first one is made.
pub async fn anchors_pem(pool: &Pool) -> Result<String, Error> {
    let mut tx = begin(pool).await?;
    let mut roots: Vec<Vec<u8>> = Vec::new();
    for authority in ca_key::in_force(&mut tx).await? {
        if !roots.iter().any(|root| root == authority.root_der()) {
            roots.push(authority.root_der().to_vec());
        }
    }
    if roots.is_empty() {
        return Err(Error::NotFound("root"));
    }
    Ok(roots.iter().map(|root| certificate_pem(root)).collect())
}
