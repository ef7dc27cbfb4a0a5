//! Ending a key.

use super::{audit_row, require_admin};
use crate::context::commit;
use crate::error::or_not_found;
use crate::{Caller, Context, Error, Role};
use certmill_domain::api_key::KeyState;
use certmill_domain::ids::{ApiKeyId, TeamId};
use certmill_pg::Tx;
use certmill_store::api_key::{self, ApiKey};
use certmill_store::audit;

/// Ends a key at once. Ending it again answers as the first time and writes nothing.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's; [`Error::Forbidden`]; [`Error::Conflict`]
/// `last_admin_key`, since nobody could make keys any more.
pub async fn revoke(
    context: &Context,
    caller: &Caller,
    id: ApiKeyId,
    reason: Option<&str>,
) -> Result<ApiKey, Error> {
    require_admin(caller)?;
    let mut tx = context.begin().await?;
    let key = lock(&mut tx, caller.team_id, id).await?;
    if key.state == KeyState::Revoked {
        return Ok(key);
    }
    let revoked = api_key::revoke(&mut tx, id, &caller.actor, reason).await?;
    audit::append(&mut tx, &[audit_row(caller, "key.revoke", &revoked)]).await?;
    commit(tx).await?;
    Ok(revoked)
}

/// Holds the key, and refuses the last admin's. All valid admins are held before it, so that two
/// that end each other come one after the other.
async fn lock(tx: &mut Tx, team: TeamId, id: ApiKeyId) -> Result<ApiKey, Error> {
    let unknown = or_not_found("API key");
    let seen = api_key::by_id(&mut *tx, team, id).await.map_err(&unknown)?;
    if seen.role == Role::Admin.as_str() {
        let admins = api_key::lock_valid_admins(&mut *tx, team).await?;
        if admins == [id] {
            return Err(Error::Conflict {
                code: "last_admin_key",
                detail: format!(
                    "{id} is the last valid admin key; make another one before this one ends"
                ),
            });
        }
    }
    api_key::lock(&mut *tx, team, id).await.map_err(&unknown)
}
