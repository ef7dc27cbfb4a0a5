//! What failovers have lost, and that somebody has seen to it.

use axum::extract::State;
use axum::{Extension, Json};
use certmill_domain::ids::CutId;
use certmill_service::{Caller, history};
use certmill_wire::{ActionRequest, HistoryView, SettledView};

use crate::app::App;
use crate::body::OptionalJson;
use crate::contract::{Answer, CUT_ID, Operation};
use crate::id::Id;
use crate::{Error, views};

pub(super) const LIST: Operation = Operation::new(
    "history.list",
    "Lists what processes found after failovers, and acknowledged changes of which nothing is left.",
    include_str!("examples/history.list.json"),
)
.answers(&[Answer::json::<HistoryView>(200, "Cuts and losses.")]);

/// `GET /api/v1/history-cuts`
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<HistoryView>, Error> {
    let found = history::losses(&app.context, &caller).await?;
    Ok(Json(views::history(found)))
}

pub(super) const SETTLE: Operation = Operation::new(
    "history.settle",
    "Declares what was lost in cuts up to this one as seen to.",
    include_str!("examples/history.settle.json"),
)
.of(&[CUT_ID])
.may_take::<ActionRequest>()
.answers(&[Answer::json::<SettledView>(200, "How much was settled.")]);

/// `POST /api/v1/history-cuts/{id}/settle`
pub(super) async fn settle(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(cut): Id<CutId>,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<SettledView>, Error> {
    let reason = body.value.reason.as_deref();
    let settled = history::settle(&app.context, &caller, cut, reason).await?;
    let settled = i64::try_from(settled).unwrap_or(i64::MAX);
    Ok(Json(SettledView { settled }))
}
