//! Looking at keys.

use super::require_admin;
use crate::error::or_not_found;
use crate::{Caller, Context, Error};
use certmill_domain::api_key::KeyState;
use certmill_domain::ids::ApiKeyId;
use certmill_store::api_key::{self, ApiKey};

/// Which keys are listed; empty lists let all through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Any of these names.
    pub names: Vec<String>,
    /// Any of these states.
    pub states: Vec<KeyState>,
}

/// The key of that id.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's; [`Error::Forbidden`].
pub async fn by_id(context: &Context, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, Error> {
    require_admin(caller)?;
    let mut tx = context.begin().await?;
    api_key::by_id(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("API key"))
}

/// A page of the team's keys after `after`, oldest first.
///
/// # Errors
/// [`Error::Forbidden`], failures of the database.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    after: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKey>, Error> {
    require_admin(caller)?;
    let mut tx = context.begin().await?;
    let (names, states) = (&filter.names, &filter.states);
    Ok(api_key::list(&mut tx, caller.team_id, names, states, after, limit).await?)
}
