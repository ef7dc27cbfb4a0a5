//! Certificates: requested, listed, shown, renewed.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use certmill_domain::certificate::CertificateStatus;
use certmill_domain::ids::CertificateId;
use certmill_service::Caller;
use certmill_service::certificates::{self, Ask, ItemOutcome};
use certmill_store::certificate::Filter;
use certmill_wire::{
    ActionRequest, CertificateFilter, CertificateRequest, CertificateView, ProblemCode,
};
use http::HeaderMap;
use uuid::Uuid;

use crate::accepted::accepted;
use crate::app::App;
use crate::body::{self, OptionalJson};
use crate::id::Id;
use crate::listing::{Listing, Pairs, words};
use crate::{Error, idempotency, problem, views};

/// `POST /api/v1/certificates`
pub(super) async fn request(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: body::Json<CertificateRequest>,
) -> Result<Response, Error> {
    let key = idempotency::of(&headers, "POST /api/v1/certificates", "", &body.bytes)?;
    let asks = vec![ask(body.value)];
    let answer =
        certificates::request(&app.context, &caller, asks, |_| String::new(), key.as_ref())
            .await
            .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    match answer.value.into_iter().next() {
        Some(ItemOutcome::Accepted {
            certificate, job, ..
        }) => accepted(&app, &caller, certificate, job, &headers, answer.replayed).await,
        Some(ItemOutcome::Exists { name }) => Err(exists(&name)),
        Some(ItemOutcome::Refused { faults }) => Err(problem::of_fields(faults).into()),
        None => Err(Error::internal("the service gave no outcome")),
    }
}

/// The service's ask; sweeps renew what users ask for.
pub(super) fn ask(request: CertificateRequest) -> Ask {
    Ask {
        name: request.name,
        sans: request.sans.unwrap_or_default(),
        profile: request.profile,
        csr_pem: request.csr,
        auto_renew: true,
    }
}

/// The name is taken.
pub(super) fn exists(name: &str) -> Error {
    let detail = format!("there is a certificate {name} already");
    Error::finer(ProblemCode::AlreadyExists, "certificate_exists", detail)
        .with_hint(format!("certmill certs show {name}"))
}

/// `GET /api/v1/certificates`
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Pairs,
) -> Result<Response, Error> {
    let mut filter = CertificateFilter::from_pairs(query.pairs.clone())?;
    let paging = std::mem::take(&mut filter.paging);
    let listing = Listing::new(&app, &caller, query, filter.to_pairs(), paging);
    let after = listing
        .after()?
        .map(|id| CertificateId(Uuid::from_bytes(id)));
    let wanted = Filter {
        statuses: words::<CertificateStatus>("status", &filter.status)?,
        names: filter.name,
    };
    let limit = listing.rows().into();
    let rows = certificates::list(&app.context, &caller, &wanted, after, limit).await?;
    Ok(listing.page(
        rows,
        |row| row.certificate.id.0.into_bytes(),
        views::certificate,
    ))
}

/// `GET /api/v1/certificates/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
) -> Result<Json<CertificateView>, Error> {
    let found = certificates::by_id(&app.context, &caller, id).await?;
    Ok(Json(views::certificate(found)))
}

/// `POST /api/v1/certificates/{id}/renew`
pub(super) async fn renew(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<ActionRequest>,
) -> Result<Response, Error> {
    let route = "POST /api/v1/certificates/{id}/renew";
    let key = idempotency::of(&headers, route, &id.to_string(), &body.bytes)?;
    let answer = certificates::renew(&app.context, &caller, id, key.as_ref())
        .await
        .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    accepted(
        &app,
        &caller,
        id,
        answer.value.job,
        &headers,
        answer.replayed,
    )
    .await
}
