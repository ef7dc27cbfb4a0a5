//! Ends of operations: by a person, or with their job.

use crate::error::or_not_found;
use crate::{Caller, Context, Error};
use certmill_domain::ids::OperationId;
use certmill_domain::operation::OperationState;
use certmill_domain::schedule::LANE;
use certmill_pg::Tx;
use certmill_store::audit;
use certmill_store::operation::{self, Operation};

/// Stops an operation before its next step; what was done stays done. Asking again changes nothing.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] `operation_ended`.
pub async fn abort(
    context: &Context,
    caller: &Caller,
    id: OperationId,
    reason: Option<&str>,
) -> Result<Operation, Error> {
    let mut tx = context.begin().await?;
    let locked = operation::lock(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("operation"))?;
    if !operation::ask_to_abort(&mut tx, id, &caller.actor).await? {
        return Err(Error::Conflict {
            code: "operation_ended",
            detail: format!(
                "the operation is {}; nothing is left to abort",
                locked.state
            ),
        });
    }
    let detail = serde_json::json!({ "reason": reason });
    audit::append(&mut tx, &[caller.audit("operation.abort", id, detail)]).await?;
    let after = operation::by_id(&mut tx, caller.team_id, id).await?;
    crate::context::commit(tx).await?;
    context.hinter.hint(LANE);
    Ok(after)
}

/// Ends operations whose jobs have ended.
///
/// # Errors
/// Failures of the database.
pub async fn end(
    tx: &mut Tx,
    ids: &[OperationId],
    state: OperationState,
    fault: Option<&str>,
) -> Result<(), Error> {
    Ok(operation::end_all(&mut *tx, ids, state, fault).await?)
}
