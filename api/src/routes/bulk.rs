//! Many certificates at once, each with its own outcome.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use certmill_service::Caller;
use certmill_service::certificates::{self, Ask, ItemOutcome};
use certmill_wire::{BulkAnswer, BulkCertificateRequest, BulkItem};
use http::{HeaderMap, StatusCode};

use super::certificates::{ask, exists};
use crate::app::App;
use crate::contract::{Answer, Operation};
use crate::{Error, body, idempotency, problem};

pub(super) const REQUEST: Operation = Operation::new(
    "certificates.request_bulk",
    "Asks for many certificates in one transaction, each with its own outcome.",
    include_str!("examples/certificates.request_bulk.json"),
)
.takes::<BulkCertificateRequest>()
.repeatable()
.answers(&[
    Answer::json::<BulkAnswer>(202, "At least one was accepted."),
    Answer::json::<BulkAnswer>(200, "None was accepted; each item says why."),
]);

/// `POST /api/v1/certificates:bulk`: 202 if any was accepted, else 200; items in order.
pub(super) async fn request(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: body::Json<BulkCertificateRequest>,
) -> Result<Response, Error> {
    let key = idempotency::of(&headers, "POST /api/v1/certificates:bulk", "", &body.bytes)?;
    let asks: Vec<Ask> = body.value.certificates.into_iter().map(ask).collect();
    let names: Vec<String> = asks.iter().map(|ask| ask.name.clone()).collect();
    let pointer = |place| format!("/certificates/{place}");
    let answer = certificates::request(&app.context, &caller, asks, pointer, key.as_ref())
        .await
        .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    let items: Vec<BulkItem> = names
        .into_iter()
        .zip(answer.value)
        .map(|(name, outcome)| item(name, outcome))
        .collect();
    let accepted = items.iter().filter(|item| item.problem.is_none()).count();
    let status = if accepted > 0 {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let view = BulkAnswer {
        accepted,
        refused: items.len() - accepted,
        items,
    };
    let mut response = (status, Json(view)).into_response();
    idempotency::mark(response.headers_mut(), answer.replayed);
    Ok(response)
}

fn item(asked: String, outcome: ItemOutcome) -> BulkItem {
    let refused = |problem| BulkItem {
        name: asked.clone(),
        certificate_id: None,
        job_id: None,
        problem: Some(problem),
    };
    match outcome {
        ItemOutcome::Accepted {
            certificate, job, ..
        } => BulkItem {
            name: asked,
            certificate_id: Some(certificate.to_string()),
            job_id: Some(job.to_string()),
            problem: None,
        },
        ItemOutcome::Exists { name } => refused(exists(&name).into_problem()),
        ItemOutcome::Refused { faults } => refused(problem::of_fields(faults)),
    }
}
