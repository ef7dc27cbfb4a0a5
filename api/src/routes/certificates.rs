//! Certificates: requested, listed, shown, renewed.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use certmill_domain::certificate::CertificateStatus;
use certmill_domain::ids::CertificateId;
use certmill_service::Caller;
use certmill_service::certificates::{self, Ask, ItemOutcome, RenewAsk};
use certmill_store::certificate::Filter;
use certmill_wire::{
    Accepted, CertificateFilter, CertificateRequest, CertificateView, Page, ProblemCode,
    RenewRequest,
};
use http::HeaderMap;
use uuid::Uuid;

use crate::accepted::{Stands, accepted};
use crate::app::App;
use crate::body::{self, OptionalJson};
use crate::contract::{Answer, CERTIFICATE_ID, Header, Operation};
use crate::id::Id;
use crate::listing::{Listing, Pairs, words};
use crate::{Error, idempotency, problem, views};

/// What [`accepted`] answers.
const ACCEPTED: &[Answer] = &[
    Answer::json::<Accepted>(202, "It stands, and the job will do it.")
        .with(&[Header::LOCATION_OF_JOB, Header::RETRY_AFTER]),
    Answer::json::<Accepted>(200, "It was waited for, and the job has completed.")
        .with(&[Header::LOCATION_OF_JOB]),
];

pub(super) const REQUEST: Operation = Operation::new(
    "certificates.request",
    "Asks for a certificate; a job obtains it.",
    include_str!("examples/certificates.request.json"),
)
.takes::<CertificateRequest>()
.repeatable()
.waits()
.answers(ACCEPTED)
.refuses(&[(ProblemCode::AlreadyExists, "certificate_exists")]);

/// `POST /api/v1/certificates`
pub(super) async fn request(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: body::Json<CertificateRequest>,
) -> Result<Response, Error> {
    let key = idempotency::of(&headers, "POST /api/v1/certificates", "", &body.bytes)?;
    let ask = ask(body.value);
    let (outcome, shown, replayed) = match key {
        None => {
            let taken = app.intake.request(&caller, ask).await?;
            (Some(taken.outcome), taken.shown, false)
        }
        // By itself: the key's row is locked until the end, and others must not wait for it.
        Some(_) => {
            let (asks, root) = (vec![ask], |_| String::new());
            let answer = certificates::request(&app.context, &caller, asks, root, key.as_ref())
                .await
                .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
            (answer.value.into_iter().next(), None, answer.replayed)
        }
    };
    match outcome {
        Some(ItemOutcome::Accepted {
            certificate, job, ..
        }) => {
            let stands = Stands {
                certificate,
                job,
                shown,
                replayed,
            };
            accepted(&app, &caller, stands, &headers).await
        }
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

pub(super) const LIST: Operation = Operation::new(
    "certificates.list",
    "Lists certificates, without PEM.",
    include_str!("examples/certificates.list.json"),
)
.lists::<CertificateFilter>()
.answers(&[Answer::json::<Page<CertificateView>>(200, "A page of them.").with(&[Header::LINK])]);

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

pub(super) const SHOW: Operation = Operation::new(
    "certificates.show",
    "Shows a certificate with its current version and what it waits for.",
    include_str!("examples/certificates.show.json"),
)
.of(&[CERTIFICATE_ID])
.answers(&[Answer::json::<CertificateView>(200, "The certificate.")]);

/// `GET /api/v1/certificates/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
) -> Result<Json<CertificateView>, Error> {
    let found = certificates::by_id(&app.context, &caller, id).await?;
    Ok(Json(views::certificate(found)))
}

pub(super) const RENEW: Operation = Operation::new(
    "certificates.renew",
    "Renews a certificate now; a job does it.",
    include_str!("examples/certificates.renew.json"),
)
.of(&[CERTIFICATE_ID])
.may_take::<RenewRequest>()
.repeatable()
.waits()
.answers(ACCEPTED)
.refuses(&[(ProblemCode::Conflict, "key_compromised")]);

/// `POST /api/v1/certificates/{id}/renew`
pub(super) async fn renew(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<CertificateId>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RenewRequest>,
) -> Result<Response, Error> {
    let route = "POST /api/v1/certificates/{id}/renew";
    let ask = RenewAsk {
        csr_pem: body.value.csr.as_deref(),
        reason: body.value.reason.as_deref(),
    };
    let key = idempotency::of(&headers, route, &id.to_string(), &body.bytes)?;
    let answer = certificates::renew_with(&app.context, &caller, id, &ask, key.as_ref())
        .await
        .map_err(|refusal| idempotency::failed(key.as_ref(), refusal))?;
    let stands = Stands {
        certificate: id,
        job: answer.value.job,
        shown: None,
        replayed: answer.replayed,
    };
    accepted(&app, &caller, stands, &headers).await
}
