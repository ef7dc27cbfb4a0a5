//! Jobs as they are shown.

use certmill_queue::read::{AttemptRow, JobRow};
use certmill_service::jobs::{Past, waiting_on};
use certmill_store::audit::AuditRow;
use certmill_wire::{AttemptView, JobActionView, JobView, LogLineView};
use serde_json::Value;

/// A job with what became of it before.
pub(crate) fn job_with_past(row: JobRow, past: Past) -> JobView {
    let view = job(row);
    JobView {
        waiting_on: past.held_back.or(view.waiting_on),
        past_attempts: past.attempts.into_iter().map(attempt).collect(),
        actions: past.actions.into_iter().map(action).collect(),
        ..view
    }
}

/// A job, live or ended.
pub(crate) fn job(row: JobRow) -> JobView {
    let waiting_on = waiting_on(&row);
    let error = row.error.as_ref();
    let last_error = match (text(error, "code"), text(error, "detail")) {
        (Some(code), Some(detail)) => Some(format!("{code}: {detail}")),
        (code, detail) => detail.or(code),
    };
    JobView {
        id: row.id.to_string(),
        kind: row.kind,
        queue: row.queue,
        state: row.state.as_str().to_owned(),
        priority: i32::from(row.priority),
        attempt: i32::from(row.attempt),
        max_attempts: i32::from(row.max_attempts),
        run_at: row.run_at,
        created_at: row.created_at,
        finished_at: row.finalized_at,
        waiting_on,
        last_error,
        trace_id: row.trace_id,
        object: row.object,
        past_attempts: Vec::new(),
        actions: Vec::new(),
    }
}

fn attempt(row: AttemptRow) -> AttemptView {
    let error = row.error.as_ref();
    AttemptView {
        attempt: i32::from(row.attempt),
        started_at: row.started_at,
        ended_at: row.ended_at,
        code: text(error, "code"),
        detail: text(error, "detail").or_else(|| text(error, "message")),
        outcome: row.class,
        worker: row.worker,
        duration_ms: row
            .started_at
            .map(|began| milliseconds(row.ended_at - began)),
        trace_id: row.trace_id,
        log: row.log.map_or_else(Vec::new, log),
    }
}

/// A clock that was set back between the two shows none.
fn milliseconds(span: time::Duration) -> i64 {
    i64::try_from(span.whole_milliseconds().max(0)).unwrap_or(i64::MAX)
}

fn log(lines: Value) -> Vec<LogLineView> {
    let line = |line: &Value| LogLineView {
        at: text(Some(line), "at").unwrap_or_default(),
        level: text(Some(line), "level").unwrap_or_default(),
        text: text(Some(line), "text").unwrap_or_default(),
    };
    lines.as_array().into_iter().flatten().map(line).collect()
}

fn action(row: AuditRow) -> JobActionView {
    JobActionView {
        at: row.at,
        reason: text(Some(&row.detail), "reason"),
        action: row.action,
        by: row.actor,
    }
}

fn text(object: Option<&Value>, name: &str) -> Option<String> {
    object?.get(name)?.as_str().map(str::to_owned)
}
