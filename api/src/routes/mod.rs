//! The route table: each endpoint is one line here, and one function over one function of the
//! service with its operation beside it.
//!
//! Invariant: a route has a permission and stands behind the guard, or its path is among the open
//! ones, or it is the door of the first admin; the server does not start with another table.

mod bootstrap;
mod bulk;
mod certificates;
mod cluster;
mod contract;
mod history;
mod issued;
mod issuers;
mod jobs;
mod keys;
mod lanes;
mod life;
mod metrics;
mod operations;
mod profiles;
mod revocation;
mod route;
mod statistics;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::on;
use certmill_wire::ProblemCode;
use http::{HeaderMap, Uri};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::auth::{self, Guard};
use crate::permission::Permission as P;
use crate::{Error, limits, request_id, starting, unread};

pub use route::{Access, Route};

/// The paths that need no key. What stands here was thought about: it tells whether the process
/// lives and serves, and nothing of what it holds.
pub const OPEN: &[&str] = &["/health", "/livez", "/ready", "/readyz"];

/// The one path that takes the bootstrap token in place of a key.
pub const BOOTSTRAP: &str = "/api/v1/bootstrap";

const BASE: &str = "/api/v1/";

/// All endpoints.
#[rustfmt::skip]
pub const TABLE: &[Route] = &[
    Route::open("/health", life::HEALTH, |at| on(at, life::health)),
    Route::open("/livez", life::LIVEZ, |at| on(at, life::health)),
    Route::open("/ready", life::READY, |at| on(at, life::ready)),
    Route::open("/readyz", life::READYZ, |at| on(at, life::ready)),
    Route::post("/api/v1/certificates", P::CertificatesRequest, certificates::REQUEST, |at| on(at, certificates::request)),
    Route::get("/api/v1/certificates", P::CertificatesRead, certificates::LIST, |at| on(at, certificates::list)),
    Route::post("/api/v1/certificates:bulk", P::CertificatesRequest, bulk::REQUEST, |at| on(at, bulk::request)),
    Route::get("/api/v1/certificates/{id}", P::CertificatesRead, certificates::SHOW, |at| on(at, certificates::show)),
    Route::post("/api/v1/certificates/{id}/renew", P::CertificatesRequest, certificates::RENEW, |at| on(at, certificates::renew)),
    Route::post("/api/v1/certificates/{id}/revoke", P::CertificatesRevoke, revocation::REVOKE, |at| on(at, revocation::revoke)),
    Route::get("/api/v1/certificates/{id}/versions", P::CertificatesRead, issued::VERSIONS, |at| on(at, issued::versions)),
    Route::get("/api/v1/certificates/{id}/chain", P::CertificatesRead, issued::CHAIN, |at| on(at, issued::chain)),
    Route::get("/api/v1/certificates/{id}/key", P::CertificatesExportKey, issued::KEY, |at| on(at, issued::key)),
    Route::get("/api/v1/profiles", P::ProfilesRead, profiles::LIST, |at| on(at, profiles::list)),
    Route::post("/api/v1/profiles", P::ProfilesWrite, profiles::ADD, |at| on(at, profiles::add)),
    Route::get("/api/v1/issuers", P::IssuersRead, issuers::LIST, |at| on(at, issuers::list)),
    Route::get("/api/v1/jobs", P::JobsRead, jobs::LIST, |at| on(at, jobs::list)),
    Route::post("/api/v1/jobs/bulk", P::JobsControl, operations::BULK, |at| on(at, operations::bulk)),
    Route::get("/api/v1/jobs/{id}", P::JobsRead, jobs::SHOW, |at| on(at, jobs::show)),
    Route::post("/api/v1/jobs/{id}/cancel", P::JobsControl, jobs::CANCEL, |at| on(at, jobs::cancel)),
    Route::post("/api/v1/jobs/{id}/retry", P::JobsControl, jobs::RETRY, |at| on(at, jobs::retry)),
    Route::get("/api/v1/lanes", P::LanesRead, lanes::LIST, |at| on(at, lanes::list)),
    Route::get("/api/v1/lanes/{name}", P::LanesRead, lanes::SHOW, |at| on(at, lanes::show)),
    Route::post("/api/v1/lanes/{name}/pause", P::LanesControl, lanes::PAUSE, |at| on(at, lanes::pause)),
    Route::post("/api/v1/lanes/{name}/resume", P::LanesControl, lanes::RESUME, |at| on(at, lanes::resume)),
    Route::post("/api/v1/lanes/{name}/limit", P::LanesControl, lanes::LIMIT, |at| on(at, lanes::limit)),
    Route::post("/api/v1/job-kinds/{kind}/pause", P::LanesControl, lanes::PAUSE_KIND, |at| on(at, lanes::pause_kind)),
    Route::post("/api/v1/job-kinds/{kind}/resume", P::LanesControl, lanes::RESUME_KIND, |at| on(at, lanes::resume_kind)),
    Route::get("/api/v1/operations", P::OperationsRead, operations::LIST, |at| on(at, operations::list)),
    Route::get("/api/v1/operations/{id}", P::OperationsRead, operations::SHOW, |at| on(at, operations::show)),
    Route::post("/api/v1/operations/{id}/abort", P::OperationsAbort, operations::ABORT, |at| on(at, operations::abort)),
    Route::post("/api/v1/keys", P::KeysWrite, keys::ADD, |at| on(at, keys::add)),
    Route::get("/api/v1/keys", P::KeysRead, keys::LIST, |at| on(at, keys::list)),
    Route::get("/api/v1/keys/{id}", P::KeysRead, keys::SHOW, |at| on(at, keys::show)),
    Route::post("/api/v1/keys/{id}/revoke", P::KeysWrite, keys::REVOKE, |at| on(at, keys::revoke)),
    Route::post("/api/v1/keys/{id}/rotate", P::KeysWrite, keys::ROTATE, |at| on(at, keys::rotate)),
    Route::by_token(BOOTSTRAP, bootstrap::FIRST, |at| on(at, bootstrap::first)),
    Route::get("/api/v1/metrics/prometheus", P::MetricsRead, metrics::PROMETHEUS, |at| on(at, metrics::prometheus)),
    Route::get("/api/v1/cluster", P::ClusterRead, cluster::SHOW, |at| on(at, cluster::show)),
    Route::get("/api/v1/history-cuts", P::HistoryRead, history::LIST, |at| on(at, history::list)),
    Route::post("/api/v1/history-cuts/{id}/settle", P::HistorySettle, history::SETTLE, |at| on(at, history::settle)),
    Route::get("/api/v1/statistics/jobs", P::JobsRead, statistics::JOBS, |at| on(at, statistics::jobs)),
    Route::get("/api/v1/version", P::ContractRead, cluster::VERSION_SHOW, |at| on(at, cluster::version)),
    Route::get("/api/v1/openapi.json", P::ContractRead, contract::SHOW, |at| on(at, contract::show)),
];

/// The whole surface, with its layers from the inside out.
pub(crate) fn router(app: &App) -> Router {
    let (mut guarded, mut open) = (Router::new(), Router::new());
    for route in TABLE {
        match route.access {
            Access::Open => open = open.route(route.path, route.method_router()),
            Access::Token => guarded = guarded.route(route.path, route.method_router()),
            Access::Needs(permission) => {
                let guard = Guard {
                    app: app.clone(),
                    permission,
                    has_query: route.operation.has_query(),
                };
                let behind = from_fn_with_state(guard, auth::admit);
                guarded = guarded.route(route.path, route.method_router().route_layer(behind));
            }
        }
    }
    guarded
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(app.clone(), starting::gate))
        .merge(open.method_not_allowed_fallback(unknown_method))
        .layer(CatchPanicLayer::custom(limits::panicked))
        .layer(from_fn_with_state(app.clone(), limits::bound))
        .layer(from_fn_with_state(app.clone(), unread::read_off))
        .layer(from_fn(request_id::stamp))
        .with_state(app.clone())
}

async fn unknown_path(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    uri: Uri,
) -> Error {
    let mut error = Error::new(ProblemCode::NotFound, "there is nothing under this path");
    if !uri.path().starts_with(BASE) {
        error = error.with_hint("the API begins with /api/v1");
    }
    told(&app, peer, &headers, &uri, error).await
}

async fn unknown_method(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    uri: Uri,
) -> Error {
    let error = Error::new(
        ProblemCode::MethodNotAllowed,
        "this path knows other methods; see the Allow header",
    );
    told(&app, peer, &headers, &uri, error).await
}

/// A stranger learns from what is not there no more than from what is: 401 comes first.
async fn told(app: &App, peer: SocketAddr, headers: &HeaderMap, uri: &Uri, error: Error) -> Error {
    if !uri.path().starts_with(BASE) {
        return error;
    }
    let known = auth::known(app, headers, peer.ip()).await;
    known.err().unwrap_or(error)
}
