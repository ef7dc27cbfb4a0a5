//! Retiring an authority that nothing hangs on any more.

use super::roll::note;
use crate::Error;
use crate::context::{begin, commit};
use certmill_domain::ids::TeamId;
use certmill_pg::Pool;
use certmill_store::{ca_key, issuer};

/// Retires the authority of that name: it is no trust anchor from now on.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] `authority_in_use` while an issuer signs with it, an
/// authority below it is not retired, or versions that it signed have not ended.
pub async fn retire(owner: &Pool, name: &str) -> Result<(), Error> {
    let mut tx = begin(owner).await?;
    let row = ca_key::by_name(&mut tx, name)
        .await?
        .ok_or(Error::NotFound("authority"))?;
    let in_use = |detail: String| Error::Conflict {
        code: "authority_in_use",
        detail,
    };
    let issuers = issuer::with_authority(&mut tx).await?;
    if let Some(user) = issuers.iter().find(|one| one.ca_key_id == Some(row.id)) {
        return Err(in_use(format!(
            "the issuer {} signs with {name}",
            user.name
        )));
    }
    let all = ca_key::in_force(&mut tx).await?;
    if let Some(below) = all.iter().find(|one| one.parent_id == Some(row.id)) {
        return Err(in_use(format!(
            "{} hangs below {name}; retire that first",
            below.name
        )));
    }
    let live = ca_key::live_versions(&mut tx).await?;
    if let Some((_, count)) = live.iter().find(|(id, _)| *id == row.id) {
        return Err(in_use(format!(
            "{count} versions that {name} signed have not ended; renew them, or wait"
        )));
    }
    ca_key::retire(&mut tx, row.id).await?;
    note(&mut tx, TeamId::DEFAULT, "ca.retire", &row, None).await?;
    commit(tx).await
}
