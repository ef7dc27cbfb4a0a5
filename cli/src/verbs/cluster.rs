//! `certmill cluster`: replicas, who leads and why, what the schedules did, what limits hold.

use certmill_telemetry::clock::now_utc;
use certmill_wire::{
    BudgetView, ClusterView, LaneView, LeaderView, ProcessView, ScheduleView, TermView,
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::output::{instant, span};
use crate::session::Session;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Cluster {
    #[serde(flatten)]
    cluster: ClusterView,
    /// Lanes that may not run as many jobs as there are slots.
    limited_lanes: Vec<LaneView>,
}

/// Prints all of it.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let (cluster, lanes) = tokio::join!(session.client.cluster(), session.client.lanes());
    let cluster = cluster.map_err(|error| Failure::of_call("cluster", &error))?;
    let lanes = lanes.map_err(|error| Failure::of_call("lanes", &error))?;
    let is_limited = |lane: &LaneView| lane.max_running.is_some() || lane.paused_at.is_some();
    let found = Cluster {
        cluster,
        limited_lanes: lanes.lanes.into_iter().filter(is_limited).collect(),
    };
    print(&found, session)
}

fn print(found: &Cluster, session: &Session) -> Result<(), Failure> {
    let (output, cluster, now) = (&session.output, &found.cluster, now_utc());
    if output.is_value() {
        return output.value(found);
    }
    output.fields(&[
        (
            "version",
            format!("{}, schema {}", cluster.version, cluster.schema),
        ),
        ("leader", leader(cluster.leader.as_ref())),
        ("hand-over", hand_over(cluster.terms.first())),
    ])?;
    let rows = |rows: Vec<Vec<String>>, header: &[&str]| {
        output.text("\n")?;
        output.rows(header, &rows)
    };
    rows(
        cluster
            .processes
            .iter()
            .map(|one| process(one, now))
            .collect(),
        &[
            "PROCESS",
            "ROLE",
            "STATE",
            "VERSION",
            "AGE",
            "LAST BEAT",
            "SKEW",
            "JOBS",
            "RESCUED",
            "LIMITS",
            "SCHEMA",
        ],
    )?;
    rows(
        cluster.schedules.iter().map(schedule).collect(),
        &[
            "SCHEDULE",
            "EVERY",
            "LAST SLOT",
            "RESULT",
            "TOOK",
            "NEXT SLOT",
        ],
    )?;
    rows(
        cluster.terms.iter().map(term).collect(),
        &["EPOCH", "LEADER", "BEGAN", "AFTER", "VACANT"],
    )?;
    if !cluster.budgets.is_empty() {
        rows(
            cluster.budgets.iter().map(budget).collect(),
            &[
                "BUDGET OF",
                "BY",
                "ORDERS",
                "EVERY",
                "RESERVE",
                "USED",
                "WAITING",
                "CLEARS IN",
            ],
        )?;
    }
    if found.limited_lanes.is_empty() {
        return Ok(());
    }
    rows(
        found.limited_lanes.iter().map(lane).collect(),
        &["LANE", "RUNNING", "MOST", "PAUSED"],
    )
}

fn leader(leader: Option<&LeaderView>) -> String {
    leader.map_or_else(
        || "none".to_owned(),
        |one| {
            let since = instant(one.since);
            format!("{}, epoch {}, since {since}", one.holder, one.epoch)
        },
    )
}

/// Why the present term began, as a sentence.
fn hand_over(newest: Option<&TermView>) -> String {
    let Some(term) = newest else {
        return "there was none".to_owned();
    };
    let vacant = vacancy(term);
    match term.after.as_deref() {
        None => "there was none: it is the first term".to_owned(),
        Some("resigned") => format!("the one before resigned; {vacant} later the next led"),
        Some(_) => format!("the one before fell silent and its lease lapsed; silent for {vacant}"),
    }
}

fn vacancy(term: &TermView) -> String {
    let of = |ms: i64| match ms {
        ..10_000 => format!("{ms} ms"),
        _ => rounded(ms / 1_000),
    };
    term.vacant_ms.map(of).unwrap_or_default()
}

/// A length of time in its largest whole unit.
fn rounded(seconds: i64) -> String {
    let units = [86_400, 3_600, 60];
    let unit = units.into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    span(seconds.max(0) / unit * unit)
}

fn process(one: &ProcessView, now: OffsetDateTime) -> Vec<String> {
    let jobs = one
        .capacity
        .map(|most| format!("{} of {most}", one.running));
    vec![
        one.name.clone(),
        one.role.clone(),
        one.state.clone(),
        one.version.clone(),
        rounded((now - one.started_at).whole_seconds()),
        instant(one.last_beat),
        one.skew_ms.map(|ms| format!("{ms} ms")).unwrap_or_default(),
        jobs.unwrap_or_default(),
        one.rescued.to_string(),
        one.limits.clone().unwrap_or_default(),
        one.schema_known
            .map(|known| known.to_string())
            .unwrap_or_default(),
    ]
}

fn schedule(one: &ScheduleView) -> Vec<String> {
    let took = one.last_duration_ms.map(|ms| format!("{ms} ms"));
    vec![
        one.name.clone(),
        span(one.period_s),
        one.last_slot.map(instant).unwrap_or_default(),
        one.last_result.clone().unwrap_or_default(),
        took.unwrap_or_default(),
        one.next_slot.map(instant).unwrap_or_default(),
    ]
}

fn term(one: &TermView) -> Vec<String> {
    vec![
        one.epoch.to_string(),
        one.holder.clone(),
        instant(one.began_at),
        one.after.clone().unwrap_or_default(),
        vacancy(one),
    ]
}

fn budget(one: &BudgetView) -> Vec<String> {
    vec![
        one.issuer.clone(),
        one.scope.clone(),
        one.most.to_string(),
        span(one.window_s),
        one.reserve.to_string(),
        one.used.map(|used| used.to_string()).unwrap_or_default(),
        one.waiting.map(|many| many.to_string()).unwrap_or_default(),
        one.clears_in_s.map(in_seconds).unwrap_or_default(),
    ]
}

fn in_seconds(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds are enough; `as` saturates"
    )]
    let seconds = seconds.ceil() as i64;
    rounded(seconds)
}

fn lane(one: &LaneView) -> Vec<String> {
    vec![
        one.name.clone(),
        one.running.to_string(),
        one.max_running
            .map(|most| most.to_string())
            .unwrap_or_default(),
        one.paused_at.map(instant).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(after: Option<&str>, vacant_ms: Option<i64>) -> TermView {
        TermView {
            epoch: 2,
            holder: "s2".to_owned(),
            began_at: OffsetDateTime::UNIX_EPOCH,
            after: after.map(str::to_owned),
            vacant_ms,
        }
    }

    #[test]
    fn a_hand_over_is_told_with_its_reason_and_its_length() {
        let told = |after, vacant_ms| hand_over(Some(&began(after, vacant_ms)));
        assert!(told(None, None).contains("first term"));
        assert!(told(Some("resigned"), Some(41)).contains("resigned; 41 ms"));
        assert!(told(Some("lapsed"), Some(12_000)).contains("lapsed; silent for 12s"));
        assert_eq!(hand_over(None), "there was none");
    }

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        assert_eq!(rounded(-3), "0s");
        assert_eq!(rounded(3_725), "1h");
        assert_eq!(rounded(200_000), "2d");
    }
}
