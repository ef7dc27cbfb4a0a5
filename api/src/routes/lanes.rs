//! Lanes and kinds of jobs: looked at, paused, resumed, limited.

use axum::extract::State;
use axum::{Extension, Json};
use certmill_service::{Caller, lanes};
use certmill_wire::{ActionRequest, LaneLimitRequest, LaneView, LanesView, PausedKindView};

use crate::app::App;
use crate::body::{self, OptionalJson};
use crate::contract::{Answer, JOB_KIND, LANE_NAME, Operation};
use crate::id::Name;
use crate::{Error, views};

const ONE: &[Answer] = &[Answer::json::<LaneView>(200, "The lane as it stands now.")];
const KINDS: &[Answer] = &[Answer::json::<Vec<PausedKindView>>(
    200,
    "The kinds that are paused now.",
)];

pub(super) const LIST: Operation = Operation::new(
    "lanes.list",
    "Lists lanes with what they have to do; the sums are what workers are scaled by.",
    include_str!("examples/lanes.list.json"),
)
.answers(&[Answer::json::<LanesView>(200, "All lanes.")]);

/// `GET /api/v1/lanes`
pub(super) async fn list(
    State(app): State<App>,
    Extension(_): Extension<Caller>,
) -> Result<Json<LanesView>, Error> {
    Ok(Json(views::lanes(lanes::list(&app.context).await?)))
}

pub(super) const SHOW: Operation = Operation::new(
    "lanes.show",
    "Shows a lane with what it has to do.",
    include_str!("examples/lanes.show.json"),
)
.of(&[LANE_NAME])
.answers(ONE);

/// `GET /api/v1/lanes/{name}`
pub(super) async fn show(
    State(app): State<App>,
    Extension(_): Extension<Caller>,
    Name(name): Name,
) -> Result<Json<LaneView>, Error> {
    let lane = lanes::by_name(&app.context, &name).await?;
    Ok(Json(views::lane(lane)))
}

pub(super) const PAUSE: Operation = Operation::new(
    "lanes.pause",
    "Stops claims from a lane on all workers; what runs is left to end.",
    include_str!("examples/lanes.pause.json"),
)
.of(&[LANE_NAME])
.may_take::<ActionRequest>()
.answers(ONE);

/// `POST /api/v1/lanes/{name}/pause`
pub(super) async fn pause(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<LaneView>, Error> {
    let reason = body.value.reason.as_deref();
    let now = lanes::pause(&app.context, &caller, &name, reason).await?;
    Ok(Json(views::lane(now)))
}

pub(super) const RESUME: Operation = Operation::new(
    "lanes.resume",
    "Lets a paused lane go on.",
    include_str!("examples/lanes.resume.json"),
)
.of(&[LANE_NAME])
.may_take::<ActionRequest>()
.answers(ONE);

/// `POST /api/v1/lanes/{name}/resume`
pub(super) async fn resume(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<LaneView>, Error> {
    let reason = body.value.reason.as_deref();
    let now = lanes::resume(&app.context, &caller, &name, reason).await?;
    Ok(Json(views::lane(now)))
}

pub(super) const LIMIT: Operation = Operation::new(
    "lanes.limit",
    "Sets how many jobs of a lane run at once over all workers.",
    include_str!("examples/lanes.limit.json"),
)
.of(&[LANE_NAME])
.takes::<LaneLimitRequest>()
.answers(ONE);

/// `POST /api/v1/lanes/{name}/limit`
pub(super) async fn limit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    body: body::Json<LaneLimitRequest>,
) -> Result<Json<LaneView>, Error> {
    let request = body.value;
    let most = request
        .max_running
        .map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
    let reason = request.reason.as_deref();
    let now = lanes::limit(&app.context, &caller, &name, most, reason).await?;
    Ok(Json(views::lane(now)))
}

pub(super) const PAUSE_KIND: Operation = Operation::new(
    "job_kinds.pause",
    "Stops claims of a kind of jobs, in every lane.",
    include_str!("examples/job_kinds.pause.json"),
)
.of(&[JOB_KIND])
.may_take::<ActionRequest>()
.answers(KINDS);

/// `POST /api/v1/job-kinds/{kind}/pause`
pub(super) async fn pause_kind(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<Vec<PausedKindView>>, Error> {
    let reason = body.value.reason.as_deref();
    let now = lanes::pause_kind(&app.context, &caller, &name, reason).await?;
    Ok(Json(views::kinds(now)))
}

pub(super) const RESUME_KIND: Operation = Operation::new(
    "job_kinds.resume",
    "Lets a paused kind of jobs go on.",
    include_str!("examples/job_kinds.resume.json"),
)
.of(&[JOB_KIND])
.may_take::<ActionRequest>()
.answers(KINDS);

/// `POST /api/v1/job-kinds/{kind}/resume`
pub(super) async fn resume_kind(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<Vec<PausedKindView>>, Error> {
    let reason = body.value.reason.as_deref();
    let now = lanes::resume_kind(&app.context, &caller, &name, reason).await?;
    Ok(Json(views::kinds(now)))
}
