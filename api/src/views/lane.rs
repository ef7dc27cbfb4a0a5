//! Lanes and kinds in the words of the wire.

use certmill_queue::depth::{LaneDepth, PausedKind};
use certmill_service::lanes::Lanes;
use certmill_wire::{LaneTotal, LaneView, LanesView, PausedKindView};

/// One lane.
pub(crate) fn lane(row: LaneDepth) -> LaneView {
    let lane = row.lane;
    LaneView {
        name: lane.name,
        needs_key: lane.needs_key,
        max_running: lane.max_running,
        paused_at: lane.paused_at,
        pause_reason: lane.pause_reason,
        closed_until: lane.closed_until,
        reserved_until: lane.reserved_until,
        due: row.due,
        due_more: row.due_more,
        oldest_due_age_s: row.oldest_due_age_s,
        running: row.running,
    }
}

/// All lanes with their sums.
pub(crate) fn lanes(found: Lanes) -> LanesView {
    let going = || {
        found
            .lanes
            .iter()
            .filter(|row| row.lane.paused_at.is_none())
    };
    let total = LaneTotal {
        due: going().map(|row| row.due).sum(),
        oldest_due_age_s: going()
            .filter_map(|row| row.oldest_due_age_s)
            .fold(0.0, f64::max),
        running: going().map(|row| row.running).sum(),
    };
    LanesView {
        total,
        lanes: found.lanes.into_iter().map(lane).collect(),
        paused_kinds: kinds(found.paused_kinds),
    }
}

/// Paused kinds.
pub(crate) fn kinds(rows: Vec<PausedKind>) -> Vec<PausedKindView> {
    let view = |row: PausedKind| PausedKindView {
        kind: row.kind,
        paused_at: row.paused_at,
        reason: row.reason,
    };
    rows.into_iter().map(view).collect()
}
