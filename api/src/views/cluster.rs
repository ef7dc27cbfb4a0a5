//! Processes, leader and schedules as they are shown.

use std::time::Duration;

use certmill_coordination::budget::Headroom;
use certmill_coordination::{LeaderRow, ScheduleRow, TermRow};
use certmill_queue::process::ProcessRow;
use certmill_service::cluster::Cluster;
use certmill_wire::{BudgetView, ClusterView, LeaderView, ProcessView, ScheduleView, TermView};

use crate::VERSION;

/// The cluster; living processes come first.
pub(crate) fn cluster(found: Cluster) -> ClusterView {
    let mut processes: Vec<ProcessRow> = found.processes;
    processes.sort_by_key(|row| (!row.alive, row.id.0));
    ClusterView {
        version: VERSION.to_owned(),
        schema: certmill_pg::newest_migration(),
        processes: processes.into_iter().map(process).collect(),
        leader: found.leader.and_then(leader),
        terms: found.terms.into_iter().map(term).collect(),
        schedules: found.schedules.into_iter().map(schedule).collect(),
        budgets: found.budgets.into_iter().map(budget).collect(),
    }
}

fn budget(row: Headroom) -> BudgetView {
    BudgetView {
        issuer: row.issuer,
        scope: row.scope,
        most: row.most,
        window_s: row.window_s,
        reserve: row.reserve,
        used: row.used,
        waiting: row.waiting,
        clears_in_s: row.clears_in_s,
    }
}

fn process(row: ProcessRow) -> ProcessView {
    let state = match (row.stopped_at, row.dead_at, row.alive) {
        (Some(_), ..) => "stopped",
        (None, Some(_), _) => "dead",
        (None, None, true) => "alive",
        (None, None, false) => "silent",
    };
    ProcessView {
        id: row.id.0.to_string(),
        role: row.role,
        name: row.label,
        version: row.version,
        started_at: row.started_at,
        last_beat: row.last_beat_at,
        state: state.to_owned(),
        queues: row.queues,
        capacity: row.capacity,
        running: row.running,
        skew_ms: row.skew_ms,
        rescued: row.rescued,
        limits: row.limits,
        schema_known: row.schema_known,
    }
}

/// Nobody leads while no lease is held.
fn leader(row: LeaderRow) -> Option<LeaderView> {
    if !row.held {
        return None;
    }
    Some(LeaderView {
        holder: row.label.unwrap_or_default(),
        epoch: row.epoch,
        since: row.acquired_at?,
        renewed_at: row.renewed_at?,
    })
}

fn term(row: TermRow) -> TermView {
    TermView {
        epoch: row.epoch,
        holder: row.label,
        began_at: row.began_at,
        after: row.after,
        vacant_ms: row.vacant.map(milliseconds),
    }
}

fn schedule(row: ScheduleRow) -> ScheduleView {
    let last = row.last_job.as_ref();
    ScheduleView {
        last_result: last
            .and_then(|job| job.standing)
            .map(|standing| standing.as_str().to_owned()),
        last_ended_at: last.and_then(|job| job.ended_at),
        last_duration_ms: last.and_then(|job| job.took).map(milliseconds),
        name: row.name,
        period_s: i64::try_from(row.period.as_secs()).unwrap_or(i64::MAX),
        next_slot: Some(row.next_slot),
        last_slot: row.last_slot,
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
