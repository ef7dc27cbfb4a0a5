//! Jobs: looked at, cancelled, retried.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use certmill_domain::ids::JobId;
use certmill_domain::job::JobState;
use certmill_queue::read;
use certmill_service::{Caller, Error as Refusal, jobs};
use certmill_wire::{ActionRequest, FieldError, JobFilter, JobView, Page, Problem, ProblemCode};

use crate::app::App;
use crate::body::OptionalJson;
use crate::contract::{Answer, Header, JOB_ID, Operation};
use crate::id::Id;
use crate::listing::{Listing, Pairs, words};
use crate::{Error, views};

pub(super) const LIST: Operation = Operation::new(
    "jobs.list",
    "Lists jobs, newest first.",
    include_str!("examples/jobs.list.json"),
)
.lists::<JobFilter>()
.answers(&[Answer::json::<Page<JobView>>(200, "A page of them.").with(&[Header::LINK])]);

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
    let rows = jobs::list(&app.context, &caller, wanted, before, listing.rows())
        .await
        .map_err(of_query)?;
    Ok(listing.page(rows, |row| row.id.0.to_be_bytes(), views::job))
}

/// Faults of a filter are faults of the query.
fn of_query(refusal: Refusal) -> Error {
    let Refusal::Invalid(faults) = refusal else {
        return refusal.into();
    };
    let errors = faults
        .into_iter()
        .map(|fault| FieldError::new(fault.pointer, fault.code, fault.detail))
        .collect();
    Problem::of_fields(ProblemCode::InvalidQuery, errors).into()
}

pub(super) const SHOW: Operation = Operation::new(
    "jobs.show",
    "Shows a job with its attempts and what it waits for.",
    include_str!("examples/jobs.show.json"),
)
.of(&[JOB_ID])
.answers(&[Answer::json::<JobView>(200, "The job.")]);

/// `GET /api/v1/jobs/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<JobId>,
) -> Result<Json<JobView>, Error> {
    let (job, past) = jobs::with_past(&app.context, &caller, id).await?;
    Ok(Json(views::job_with_past(job, past)))
}

pub(super) const CANCEL: Operation = Operation::new(
    "jobs.cancel",
    "Cancels a job; a running one is asked to stop, and may have completed before it hears of that.",
    include_str!("examples/jobs.cancel.json"),
)
.of(&[JOB_ID])
.may_take::<ActionRequest>()
.answers(&[Answer::json::<JobView>(200, "The job as it stands now.")])
.refuses(&[(ProblemCode::Conflict, "job_ended")]);

/// `POST /api/v1/jobs/{id}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<JobId>,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<JobView>, Error> {
    let reason = body.value.reason.as_deref();
    Ok(Json(views::job(
        jobs::cancel(&app.context, &caller, id, reason).await?,
    )))
}

pub(super) const RETRY: Operation = Operation::new(
    "jobs.retry",
    "Runs a job that waits or has failed at once, as a new job if it has ended.",
    include_str!("examples/jobs.retry.json"),
)
.of(&[JOB_ID])
.may_take::<ActionRequest>()
.answers(&[Answer::json::<JobView>(200, "The job that runs now.")])
.refuses(&[
    (ProblemCode::Conflict, "job_ended"),
    (ProblemCode::Conflict, "job_running"),
]);

/// `POST /api/v1/jobs/{id}/retry`
pub(super) async fn retry(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<JobId>,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<JobView>, Error> {
    let reason = body.value.reason.as_deref();
    Ok(Json(views::job(
        jobs::retry(&app.context, &caller, id, reason).await?,
    )))
}
