//! Certificates revoked.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use certmill_domain::ids::{CertificateId, VersionId};
use certmill_service::certificates::{self, RevokeAsk, Revoked, Which};
use certmill_service::{Caller, jobs};
use certmill_wire::{FieldError, Problem, ProblemCode, RevocationView, RevokeRequest};
use http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::app::App;
use crate::contract::{Answer, CERTIFICATE_ID, Header, Operation};
use crate::id::Id;
use crate::{Error, body, idempotency, views};

pub(super) const REVOKE: Operation = Operation::new(
    "certificates.revoke",
    "Revokes versions of a certificate for good; a job a version does it.",
    include_str!("examples/certificates.revoke.json"),
)
.of(&[CERTIFICATE_ID])
.takes::<RevokeRequest>()
.repeatable()
.answers(&[
    Answer::json::<RevocationView>(202, "The jobs will do it.")
        .with(&[Header::LOCATION_OF_JOB, Header::RETRY_AFTER]),
    Answer::json::<RevocationView>(200, "All of it was revoked before, at the times shown."),
])
.refuses(&[
    (ProblemCode::Conflict, "not_issued"),
    (ProblemCode::Conflict, "version_expired"),
]);

/// `POST /api/v1/certificates/{id}/revoke`
pub(super) async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
    headers: HeaderMap,
    body: body::Json<RevokeRequest>,
) -> Result<Response, Error> {
    let route = "POST /api/v1/certificates/{id}/revoke";
    let key = idempotency::of(&headers, route, &id.to_string(), &body.bytes)?;
    let ask = ask(body.value)?;
    let answer = certificates::revoke(&app.context, &caller, id, &ask, key.as_ref())
        .await
        .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    let mut response = show(&app, &caller, answer.value).await?;
    idempotency::mark(response.headers_mut(), answer.replayed);
    Ok(response)
}

fn ask(request: RevokeRequest) -> Result<RevokeAsk, Error> {
    let fault = |pointer: &str, code: &str, why: String| {
        let fault = FieldError::new(pointer, code, why);
        Error::from(Problem::of_fields(ProblemCode::InvalidRequest, vec![fault]))
    };
    let reason =
        request
            .reason
            .parse()
            .map_err(|why: certmill_domain::revocation::InvalidReason| {
                fault("/reason", why.code(), why.to_string())
            })?;
    let which = match (request.version, request.all_versions) {
        (Some(id), _) => Which::One(id.parse::<VersionId>().map_err(
            |why: certmill_domain::ids::InvalidId| fault("/version", "invalid_id", why.to_string()),
        )?),
        (None, Some(true)) => Which::AllLive,
        (None, _) => Which::Current,
    };
    Ok(RevokeAsk {
        which,
        reason,
        note: request.note,
    })
}

async fn show(app: &App, caller: &Caller, revoked: Revoked) -> Result<Response, Error> {
    let id = revoked.certificate;
    let detail = certificates::by_id(&app.context, caller, id).await?;
    let versions = certificates::versions_by_ids(&app.context, caller, id, &revoked.versions);
    let versions = versions.await?.iter().map(views::version).collect();
    let mut found = Vec::with_capacity(revoked.jobs.len());
    for job in revoked.jobs {
        found.push(views::job(jobs::by_id(&app.context, caller, job).await?));
    }
    let location = found
        .first()
        .and_then(|job| HeaderValue::from_str(&format!("/api/v1/jobs/{}", job.id)).ok());
    let status = if found.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let view = RevocationView {
        certificate: views::certificate(detail),
        versions,
        jobs: found,
    };
    let mut response = (status, Json(view)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(LOCATION, location);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}
