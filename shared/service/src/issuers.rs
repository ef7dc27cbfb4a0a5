//! Issuers as they are shown.

use crate::{Caller, Context, Error};
use certmill_domain::ids::IssuerId;
use certmill_store::issuer::{self, Issuer};

/// A page of the team's issuers after `after`.
///
/// # Errors
/// Failures of the database.
pub async fn list(
    context: &Context,
    caller: &Caller,
    after: Option<IssuerId>,
    limit: i64,
) -> Result<Vec<Issuer>, Error> {
    let mut tx = context.begin().await?;
    Ok(issuer::list(&mut tx, caller.team_id, after, limit).await?)
}
