//! Operations as they are shown.

use certmill_service::operations::Plan;
use certmill_store::operation::Operation;
use certmill_wire::{BulkPlanView, OperationView};

/// An operation and how far it is.
pub(crate) fn operation(row: Operation) -> OperationView {
    OperationView {
        id: row.id.to_string(),
        subject: row.subject,
        verb: row.verb,
        selector: row.selector,
        state: row.state.as_str().to_owned(),
        total: row.total,
        total_is_least: row.total_is_least,
        seen: row.seen,
        done: row.done,
        skipped: row.skipped.values().sum(),
        skipped_by_reason: row.skipped,
        abort_requested: row.abort_requested,
        aborted_by: row.aborted_by,
        fault: row.fault,
        requested_by: row.requested_by,
        reason: row.reason,
        job: row.job_id.map(|id| id.to_string()),
        created_at: row.created_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
    }
}

/// What an operation would mean.
pub(crate) fn plan(plan: Plan) -> BulkPlanView {
    BulkPlanView {
        count: plan.count,
        count_is_least: plan.is_least,
        samples: plan.samples.iter().map(ToString::to_string).collect(),
    }
}
