//! Cuts and losses in the words of the wire.

use certmill_domain::ids::CutId;
use certmill_service::history::Losses;
use certmill_store::history_cut::{CutRow, LostRow};
use certmill_wire::{CutView, HistoryView, LostWriteView};

/// What is known of losses.
pub(crate) fn history(found: Losses) -> HistoryView {
    HistoryView {
        cuts: found.cuts.into_iter().map(cut).collect(),
        lost: found.unsettled.into_iter().map(lost).collect(),
    }
}

fn cut(row: CutRow) -> CutView {
    CutView {
        id: CutId(row.id).to_string(),
        seen_at: row.seen_at,
        process: row.process,
        role: row.role,
        timeline_before: row.timeline_before,
        timeline_after: row.timeline_after,
        server_started_at: row.server_started_at,
        remembered: row.remembered,
        remembered_from: row.remembered_from,
        lost: row.lost,
    }
}

fn lost(row: LostRow) -> LostWriteView {
    LostWriteView {
        cut_id: CutId(row.cut_id).to_string(),
        at: row.at,
        actor: row.actor,
        action: row.action,
        object: row.object,
        healed: row.healed,
    }
}
