//! Jobs: looked at, cancelled, retried.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use certmill_domain::ids::JobId;
use certmill_domain::job::JobState;
use certmill_queue::read;
use certmill_service::{Caller, jobs};
use certmill_wire::{ActionRequest, JobFilter, JobView};

use crate::app::App;
use crate::body::OptionalJson;
use crate::id::Id;
use crate::listing::{Listing, Pairs, words};
use crate::{Error, views};

/// `GET /api/v1/jobs`
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Pairs,
) -> Result<Response, Error> {
    let mut filter = JobFilter::from_pairs(query.pairs.clone())?;
    let paging = std::mem::take(&mut filter.paging);
    let listing = Listing::new(&app, &caller, query, filter.to_pairs(), paging);
    let before = listing.after()?.map(|id| JobId(i64::from_be_bytes(id)));
    let wanted = read::JobFilter {
        team_id: Some(caller.team_id),
        states: words::<JobState>("state", &filter.state)?,
        queues: filter.queue,
        kinds: filter.kind,
    };
    let rows = jobs::list(&app.context, &caller, wanted, before, listing.rows()).await?;
    Ok(listing.page(rows, |row| row.id.0.to_be_bytes(), views::job))
}

/// `GET /api/v1/jobs/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<JobId>,
) -> Result<Json<JobView>, Error> {
    Ok(Json(views::job(
        jobs::by_id(&app.context, &caller, id).await?,
    )))
}

/// `POST /api/v1/jobs/{id}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<JobId>,
    _: OptionalJson<ActionRequest>,
) -> Result<Json<JobView>, Error> {
    Ok(Json(views::job(
        jobs::cancel(&app.context, &caller, id).await?,
    )))
}

/// `POST /api/v1/jobs/{id}/retry`
pub(super) async fn retry(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<JobId>,
    _: OptionalJson<ActionRequest>,
) -> Result<Json<JobView>, Error> {
    Ok(Json(views::job(
        jobs::retry(&app.context, &caller, id).await?,
    )))
}
