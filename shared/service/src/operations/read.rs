//! Looking at operations.

use crate::error::or_not_found;
use crate::{Caller, Context, Error};
use certmill_domain::ids::OperationId;
use certmill_domain::operation::OperationState;
use certmill_store::operation::{self, Operation};

/// The operation of that id.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's.
pub async fn by_id(
    context: &Context,
    caller: &Caller,
    id: OperationId,
) -> Result<Operation, Error> {
    let mut conn = context.acquire().await?;
    operation::by_id(&mut conn, caller.team_id, id)
        .await
        .map_err(or_not_found("operation"))
}

/// A page of the team's operations under `before`, newest first.
///
/// # Errors
/// Failures of the database.
pub async fn list(
    context: &Context,
    caller: &Caller,
    states: &[OperationState],
    before: Option<OperationId>,
    limit: u16,
) -> Result<Vec<Operation>, Error> {
    let mut conn = context.acquire().await?;
    Ok(operation::list(&mut conn, caller.team_id, states, before, limit).await?)
}
