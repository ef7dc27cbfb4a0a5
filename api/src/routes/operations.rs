//! Operations: one wish for many jobs, asked for, looked at, aborted.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use certmill_domain::ids::OperationId;
use certmill_domain::operation::OperationState;
use certmill_queue::selection::Selector;
use certmill_service::Caller;
use certmill_service::operations::{self, BulkAsk, JobSettings};
use certmill_wire::{
    ActionRequest, BulkJobRequest, BulkPlanView, JobSelector, OperationFilter, OperationView, Page,
    ProblemCode, instant,
};
use http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use crate::app::App;
use crate::body::{self, OptionalJson};
use crate::contract::{Answer, Header, OPERATION_ID, Operation};
use crate::id::Id;
use crate::listing::{Listing, Pairs, words};
use crate::{Error, idempotency, views};

pub(super) const BULK: Operation = Operation::new(
    "jobs.bulk",
    "Retries, cancels or moves many jobs as one operation, or says how many would be meant.",
    include_str!("examples/jobs.bulk.json"),
)
.takes::<BulkJobRequest>()
.repeatable()
.answers(&[
    Answer::json::<OperationView>(202, "The operation; look at it until it has ended.")
        .with(&[Header::LOCATION_OF_OPERATION, Header::RETRY_AFTER]),
    Answer::json::<BulkPlanView>(200, "A dry run: what would be meant."),
]);

/// `POST /api/v1/jobs/bulk`
pub(super) async fn bulk(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: body::Json<BulkJobRequest>,
) -> Result<Response, Error> {
    let key = idempotency::of(&headers, "POST /api/v1/jobs/bulk", "", &body.bytes)?;
    let dry_run = body.value.dry_run == Some(true);
    let ask = ask(body.value)?;
    if dry_run {
        let plan = operations::plan(&app.context, &caller, ask).await?;
        return Ok(Json(views::plan(plan)).into_response());
    }
    let answer = operations::start(&app.context, &caller, ask, key.as_ref())
        .await
        .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    let place = format!("/api/v1/operations/{}", answer.value.id);
    let view = Json(views::operation(answer.value));
    let mut response = (StatusCode::ACCEPTED, view).into_response();
    let headers = response.headers_mut();
    if let Ok(place) = HeaderValue::from_str(&place) {
        headers.insert(LOCATION, place);
    }
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    idempotency::mark(headers, answer.replayed);
    Ok(response)
}

/// The wish in the words of the service; the wire has looked at each of them already.
fn ask(request: BulkJobRequest) -> Result<BulkAsk, Error> {
    Ok(BulkAsk {
        verb: request.verb.parse().map_err(unseen)?,
        selector: selector(request.selector)?,
        settings: JobSettings {
            to_queue: request.to_queue,
            to_priority: request
                .to_priority
                .map(i16::try_from)
                .transpose()
                .map_err(unseen)?,
        },
        reason: request.reason,
    })
}

fn selector(wanted: JobSelector) -> Result<Selector, Error> {
    let states = wanted.states.unwrap_or_default();
    let ids = wanted.ids.unwrap_or_default();
    let at = |text: Option<String>| text.map(|text| instant(&text)).transpose().map_err(unseen);
    Ok(Selector {
        states: states
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map_err(unseen)?,
        queues: wanted.queues.unwrap_or_default(),
        kinds: wanted.kinds.unwrap_or_default(),
        error_codes: wanted.error_codes.unwrap_or_default(),
        error_classes: wanted.error_classes.unwrap_or_default(),
        objects: wanted.objects.unwrap_or_default(),
        ids: ids
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map_err(unseen)?,
        created_after: at(wanted.created_after)?,
        created_before: at(wanted.created_before)?,
    })
}

fn unseen(why: impl std::fmt::Display) -> Error {
    Error::new(ProblemCode::InvalidRequest, why.to_string())
}

pub(super) const LIST: Operation = Operation::new(
    "operations.list",
    "Lists operations, newest first.",
    include_str!("examples/operations.list.json"),
)
.lists::<OperationFilter>()
.answers(&[Answer::json::<Page<OperationView>>(200, "A page of them.").with(&[Header::LINK])]);

/// `GET /api/v1/operations`
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Pairs,
) -> Result<Response, Error> {
    let mut filter = OperationFilter::from_pairs(query.pairs.clone())?;
    let paging = std::mem::take(&mut filter.paging);
    let listing = Listing::new(&app, &caller, query, filter.to_pairs(), paging);
    let before = listing.after()?.map(|id| OperationId(Uuid::from_bytes(id)));
    let states = words::<OperationState>("state", &filter.state)?;
    let rows = operations::list(&app.context, &caller, &states, before, listing.rows()).await?;
    Ok(listing.page(rows, |row| *row.id.0.as_bytes(), views::operation))
}

pub(super) const SHOW: Operation = Operation::new(
    "operations.show",
    "Shows how far an operation is.",
    include_str!("examples/operations.show.json"),
)
.of(&[OPERATION_ID])
.answers(&[Answer::json::<OperationView>(200, "The operation.")]);

/// `GET /api/v1/operations/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<OperationId>,
) -> Result<Json<OperationView>, Error> {
    let row = operations::by_id(&app.context, &caller, id).await?;
    Ok(Json(views::operation(row)))
}

pub(super) const ABORT: Operation = Operation::new(
    "operations.abort",
    "Stops an operation before its next step; what was done stays done.",
    include_str!("examples/operations.abort.json"),
)
.of(&[OPERATION_ID])
.may_take::<ActionRequest>()
.answers(&[Answer::json::<OperationView>(
    200,
    "The operation as it stands now.",
)])
.refuses(&[(ProblemCode::Conflict, "operation_ended")]);

/// `POST /api/v1/operations/{id}/abort`
pub(super) async fn abort(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<OperationId>,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Json<OperationView>, Error> {
    let reason = body.value.reason.as_deref();
    let row = operations::abort(&app.context, &caller, id, reason).await?;
    Ok(Json(views::operation(row)))
}
