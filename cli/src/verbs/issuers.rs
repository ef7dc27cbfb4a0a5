//! `certmill issuers`.
//!
//! Invariant: prints what the API says, nothing else.

use crate::args::PageArgs;
use crate::failure::Failure;
use crate::output::instant;
use crate::session::Session;

/// Lists issuers.
pub async fn list(page: &PageArgs, session: &Session) -> Result<(), Failure> {
    let issuers = session.client.issuers(&page.paging()).await;
    let issuers = issuers.map_err(|error| Failure::of_call("issuers", &error))?;
    let output = &session.output;
    if output.is_value() {
        return output.value(&issuers);
    }
    let rows = issuers.data.iter().map(|issuer| {
        vec![
            issuer.name.clone(),
            issuer.kind.clone(),
            issuer.status.clone(),
            issuer.subject.clone().unwrap_or_default(),
            issuer.not_after.map(instant).unwrap_or_default(),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    output.rows(&["NAME", "KIND", "STATUS", "SUBJECT", "NOT AFTER"], &rows)?;
    output.note_next(issuers.next_cursor.as_deref());
    Ok(())
}
