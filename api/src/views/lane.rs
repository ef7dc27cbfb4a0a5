//! Lanes and kinds in the words of the wire.

use certmill_queue::depth::{LaneDepth, PausedKind};
use certmill_service::lanes::Lanes;
use certmill_wire::{LaneTotal, LaneView, LanesView, PausedKindView};

/// One lane.
pub(crate) fn lane(row: LaneDepth) -> LaneView {
    LaneView {
        name: row.name,
        needs_key: row.needs_key,
        max_running: row.max_running,
        paused_at: row.paused_at,
        pause_reason: row.pause_reason,
        due: row.due,
        due_more: row.due_more,
        oldest_due_age_s: row.oldest_due_age_s,
        running: row.running,
    }
}

/// All lanes with their sums.
pub(crate) fn lanes(found: Lanes) -> LanesView {
    let going = || found.lanes.iter().filter(|lane| lane.paused_at.is_none());
    let total = LaneTotal {
        due: going().map(|lane| lane.due).sum(),
        oldest_due_age_s: going()
            .filter_map(|lane| lane.oldest_due_age_s)
            .fold(0.0, f64::max),
        running: going().map(|lane| lane.running).sum(),
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
