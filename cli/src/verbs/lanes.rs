//! `certmill lanes`.
//!
//! Invariant: whatever holds jobs back is shown with its reason.

use certmill_telemetry::clock::now_utc;
use certmill_wire::{ActionRequest, LaneLimitRequest, LaneView, PausedKindView};
use time::OffsetDateTime;

use crate::args::LanesVerb;
use crate::failure::Failure;
use crate::output::{instant, span};
use crate::session::Session;

/// Runs a verb of lanes.
pub async fn run(verb: LanesVerb, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let of = |what: &str, name: &str| format!("{what} {name}");
    let (name, answer) = match verb {
        LanesVerb::List => return list(session).await,
        LanesVerb::PauseKind(args) => {
            let paused = client.pause_kind(&args.kind, &why(args.reason)).await;
            let what = of("kind", &args.kind);
            return kinds(
                &paused.map_err(|error| Failure::of_call(&what, &error))?,
                session,
            );
        }
        LanesVerb::ResumeKind(args) => {
            let paused = client.resume_kind(&args.kind, &why(args.reason)).await;
            let what = of("kind", &args.kind);
            return kinds(
                &paused.map_err(|error| Failure::of_call(&what, &error))?,
                session,
            );
        }
        LanesVerb::Show(args) => {
            let shown = client.lane(&args.lane).await;
            (args.lane, shown)
        }
        LanesVerb::Pause(args) => {
            let paused = client.pause_lane(&args.lane, &why(args.reason)).await;
            (args.lane, paused)
        }
        LanesVerb::Resume(args) => {
            let resumed = client.resume_lane(&args.lane, &why(args.reason)).await;
            (args.lane, resumed)
        }
        LanesVerb::Limit(args) => {
            let request = LaneLimitRequest {
                max_running: args.jobs,
                reason: args.reason,
            };
            (
                args.lane.clone(),
                client.limit_lane(&args.lane, &request).await,
            )
        }
    };
    let lane = answer.map_err(|error| Failure::of_call(&of("lane", &name), &error))?;
    show(&lane, session)
}

fn why(reason: Option<String>) -> ActionRequest {
    ActionRequest { reason }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let lanes = session.client.lanes().await;
    let lanes = lanes.map_err(|error| Failure::of_call("lanes", &error))?;
    let output = &session.output;
    if output.is_value() {
        return output.value(&lanes);
    }
    let row = |lane: &LaneView| {
        vec![
            lane.name.clone(),
            due(lane),
            lane.oldest_due_age_s.map(age).unwrap_or_default(),
            lane.running.to_string(),
            lane.max_running.map_or("-".into(), |most| most.to_string()),
            state(lane),
        ]
    };
    let rows: Vec<Vec<String>> = lanes.lanes.iter().map(row).collect();
    let header = ["NAME", "DUE", "OLDEST", "RUNNING", "LIMIT", "STATE"];
    output.rows(&header, &rows)?;
    for kind in &lanes.paused_kinds {
        output.note(&format!("jobs of the kind {}: {}", kind.kind, paused(kind)));
    }
    Ok(())
}

fn show(lane: &LaneView, session: &Session) -> Result<(), Failure> {
    if session.output.is_value() {
        return session.output.value(lane);
    }
    session.output.fields(&[
        ("name", lane.name.clone()),
        ("state", state(lane)),
        ("due", due(lane)),
        ("oldest", lane.oldest_due_age_s.map(age).unwrap_or_default()),
        ("running", lane.running.to_string()),
        (
            "limit",
            lane.max_running
                .map_or("none".into(), |most| most.to_string()),
        ),
        (
            "signs with a CA key",
            if lane.needs_key { "yes" } else { "no" }.into(),
        ),
    ])
}

fn kinds(paused_kinds: &[PausedKindView], session: &Session) -> Result<(), Failure> {
    let output = &session.output;
    if output.is_value() {
        return output.value(&paused_kinds);
    }
    let row = |kind: &PausedKindView| vec![kind.kind.clone(), paused(kind)];
    let rows: Vec<Vec<String>> = paused_kinds.iter().map(row).collect();
    output.rows(&["PAUSED KIND", "SINCE"], &rows)
}

fn due(lane: &LaneView) -> String {
    match lane.due_more {
        true => format!("{}+", lane.due),
        false => lane.due.to_string(),
    }
}

fn age(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds are enough; `as` saturates"
    )]
    let seconds = seconds as i64;
    span(seconds)
}

fn state(lane: &LaneView) -> String {
    match (lane.paused_at, &lane.pause_reason) {
        (None, _) => open(lane, now_utc()),
        (Some(at), None) => format!("paused since {}", instant(at)),
        (Some(at), Some(reason)) => format!("paused since {}: {reason}", instant(at)),
    }
}

/// Whether the budget of its issuer lets anything through.
fn open(lane: &LaneView, now: OffsetDateTime) -> String {
    let ahead = |at: Option<OffsetDateTime>| at.filter(|at| *at > now);
    match (ahead(lane.closed_until), ahead(lane.reserved_until)) {
        (Some(at), _) => format!(
            "closed until {}: its issuer's budget is used up",
            instant(at)
        ),
        (None, Some(at)) => format!("only what is most urgent until {}", instant(at)),
        (None, None) => "claimed from".into(),
    }
}

fn paused(kind: &PausedKindView) -> String {
    match &kind.reason {
        None => format!("paused since {}", instant(kind.paused_at)),
        Some(reason) => format!("paused since {}: {reason}", instant(kind.paused_at)),
    }
}
