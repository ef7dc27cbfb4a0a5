//! Processes, leader and schedules as they are shown.

use certmill_coordination::{LeaderRow, ScheduleRow};
use certmill_queue::process::ProcessRow;
use certmill_service::cluster::Cluster;
use certmill_wire::{ClusterView, LeaderView, ProcessView, ScheduleView};

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
        schedules: found.schedules.into_iter().map(schedule).collect(),
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

fn schedule(row: ScheduleRow) -> ScheduleView {
    ScheduleView {
        name: row.name,
        period_s: i64::try_from(row.period.as_secs()).unwrap_or(i64::MAX),
        next_slot: Some(row.next_slot),
        last_slot: row.last_slot,
    }
}
