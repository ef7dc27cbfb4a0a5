//! `certmill operations`.

use certmill_wire::{ActionRequest, OperationFilter, OperationView};

use crate::args::{AbortArgs, OperationsListArgs, OperationsVerb};
use crate::failure::Failure;
use crate::output::instant;
use crate::session::Session;

/// Runs a verb of operations.
pub async fn run(verb: OperationsVerb, session: &Session) -> Result<(), Failure> {
    match verb {
        OperationsVerb::List(args) => list(args, session).await,
        OperationsVerb::Show(args) => {
            let id = args.operation;
            let found = session.client.operation(&id).await;
            let failed = |error| Failure::of_call(&format!("operation {id}"), &error);
            print(&found.map_err(failed)?, session)
        }
        OperationsVerb::Abort(args) => abort(args, session).await,
    }
}

async fn list(args: OperationsListArgs, session: &Session) -> Result<(), Failure> {
    let filter = OperationFilter {
        state: args.state,
        paging: args.page.paging(),
    };
    let found = session.client.operations(&filter).await;
    let found = found.map_err(|error| Failure::of_call("operations", &error))?;
    let output = &session.output;
    if output.is_value() {
        return output.value(&found);
    }
    let rows: Vec<Vec<String>> = found.data.iter().map(row).collect();
    let header = [
        "ID", "VERB", "STATE", "SEEN", "DONE", "SKIPPED", "BY", "CREATED",
    ];
    output.rows(&header, &rows)?;
    output.note_next(found.next_cursor.as_deref());
    Ok(())
}

fn row(operation: &OperationView) -> Vec<String> {
    vec![
        operation.id.clone(),
        format!("{} {}s", operation.verb, operation.subject),
        operation.state.clone(),
        seen(operation),
        operation.done.to_string(),
        operation.skipped.to_string(),
        operation.requested_by.clone(),
        instant(operation.created_at),
    ]
}

async fn abort(args: AbortArgs, session: &Session) -> Result<(), Failure> {
    let id = args.operation;
    let ask = ActionRequest {
        reason: args.reason,
    };
    let aborted = session.client.abort_operation(&id, &ask).await;
    let failed = |error| Failure::of_call(&format!("operation {id}"), &error);
    print(&aborted.map_err(failed)?, session)
}

fn seen(operation: &OperationView) -> String {
    let more = if operation.total_is_least { "+" } else { "" };
    format!("{} of {}{more}", operation.seen, operation.total)
}

/// How far it is, in a few words.
pub(super) fn how_far(operation: &OperationView) -> String {
    let state = match operation.abort_requested && !operation.is_final() {
        true => "aborting",
        false => &operation.state,
    };
    let (done, skipped) = (operation.done, operation.skipped);
    format!(
        "{state}, {} seen, {done} done, {skipped} skipped",
        seen(operation)
    )
}

/// Shows one operation.
pub(super) fn print(operation: &OperationView, session: &Session) -> Result<(), Failure> {
    if session.output.is_value() {
        return session.output.value(operation);
    }
    let skipped = operation.skipped_by_reason.iter();
    let skipped: Vec<String> = skipped.map(|(why, many)| format!("{many} {why}")).collect();
    session.output.fields(&[
        ("id", operation.id.clone()),
        ("what", format!("{} {}s", operation.verb, operation.subject)),
        ("selector", operation.selector.to_string()),
        ("state", how_far(operation)),
        ("left alone", skipped.join(", ")),
        ("fault", operation.fault.clone().unwrap_or_default()),
        ("asked for by", operation.requested_by.clone()),
        ("why", operation.reason.clone().unwrap_or_default()),
        (
            "aborted by",
            operation.aborted_by.clone().unwrap_or_default(),
        ),
        ("job", operation.job.clone().unwrap_or_default()),
        ("created", instant(operation.created_at)),
        (
            "started",
            operation.started_at.map(instant).unwrap_or_default(),
        ),
        ("ended", operation.ended_at.map(instant).unwrap_or_default()),
    ])
}
