//! Jobs as they are shown.

use certmill_queue::read::JobRow;
use certmill_service::jobs::waiting_on;
use certmill_wire::JobView;

/// A job, live or ended.
pub(crate) fn job(row: JobRow) -> JobView {
    let waiting_on = waiting_on(&row);
    let text = |name: &str| {
        let error = row.error.as_ref()?;
        error.get(name)?.as_str().map(str::to_owned)
    };
    let last_error = match (text("code"), text("detail")) {
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
    }
}
