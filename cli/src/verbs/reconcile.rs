//! `certmill reconcile`: what a failover has lost, what has healed since, and what is left to do.
//!
//! Invariant: it ends with success only where nothing is left that people have to see to.

use certmill_wire::{ActionRequest, CutView, HistoryView, LostWriteView};

use crate::args::ReconcileArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::instant;
use crate::session::Session;

/// Prints it, and settles it where that is asked for.
pub async fn run(args: ReconcileArgs, session: &Session) -> Result<(), Failure> {
    let found = session.client.history_cuts().await;
    let found = found.map_err(|error| Failure::of_call("history", &error))?;
    print(&found, session)?;
    let open = found.lost.iter().filter(|one| !one.healed).count();
    let newest = found.lost.iter().map(|one| &one.cut_id).max();
    match newest {
        Some(newest) if args.settle => settle(newest, args.reason, session).await,
        _ if open > 0 => Err(left(open)),
        _ => Ok(()),
    }
}

async fn settle(newest: &str, reason: Option<String>, session: &Session) -> Result<(), Failure> {
    let request = ActionRequest { reason };
    let settled = session.client.settle_history(newest, &request).await;
    let settled = settled.map_err(|error| Failure::of_call(newest, &error))?;
    let words = format!("{} lost changes are settled", settled.settled);
    session.output.note(&words);
    Ok(())
}

fn left(open: usize) -> Failure {
    Failure::new(
        Exit::Partial,
        "history",
        "database",
        &format!("{open} acknowledged changes are lost and have not healed"),
        "ask for them again where they are still wanted, then `certmill reconcile --settle`",
    )
}

fn print(found: &HistoryView, session: &Session) -> Result<(), Failure> {
    let output = &session.output;
    if output.is_value() {
        return output.value(found);
    }
    if found.cuts.is_empty() {
        return output.text("no process has moved to another timeline or missed anything\n");
    }
    output.rows(
        &[
            "CUT", "SEEN", "PROCESS", "ROLE", "TIMELINE", "COMPARED", "SINCE", "LOST",
        ],
        &found.cuts.iter().map(cut).collect::<Vec<_>>(),
    )?;
    if found.lost.is_empty() {
        return Ok(());
    }
    output.text("\n")?;
    output.rows(
        &["OBJECT", "WHAT", "WHEN", "BY", "CUT", "STATE"],
        &found.lost.iter().map(lost).collect::<Vec<_>>(),
    )
}

fn cut(one: &CutView) -> Vec<String> {
    let timeline = |number: Option<i32>| number.map_or("?".to_owned(), |one| one.to_string());
    let (before, after) = (timeline(one.timeline_before), timeline(one.timeline_after));
    vec![
        one.id.clone(),
        instant(one.seen_at),
        one.process.clone(),
        one.role.clone(),
        format!("{before} to {after}"),
        one.remembered.to_string(),
        one.remembered_from.map(instant).unwrap_or_default(),
        one.lost.to_string(),
    ]
}

fn lost(one: &LostWriteView) -> Vec<String> {
    let state = if one.healed { "healed" } else { "open" };
    vec![
        one.object.clone(),
        one.action.clone(),
        instant(one.at),
        one.actor.clone(),
        one.cut_id.clone(),
        state.to_owned(),
    ]
}
