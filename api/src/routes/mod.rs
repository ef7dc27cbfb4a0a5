//! The route table: each endpoint is one line here and one function over one function of the
//! service.
//!
//! Invariant: a route under `/api/v1` has a least role and stands behind the guard; only life and
//! readiness are open.

mod bulk;
mod certificates;
mod cluster;
mod issued;
mod issuers;
mod jobs;
mod life;
mod profiles;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use certmill_service::Role;
use certmill_wire::ProblemCode;
use http::Uri;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::auth::{self, Guard};
use crate::{Error, limits, request_id, starting};

/// One endpoint that needs a key.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub method: &'static str,
    /// Its path, `{id}` for an id.
    pub path: &'static str,
    /// The least role that may call it.
    pub role: Role,
    handler: fn() -> MethodRouter<App>,
}

const fn reads(path: &'static str, handler: fn() -> MethodRouter<App>) -> Route {
    Route {
        method: "GET",
        path,
        role: Role::Viewer,
        handler,
    }
}

const fn writes(path: &'static str, handler: fn() -> MethodRouter<App>) -> Route {
    Route {
        method: "POST",
        path,
        role: Role::Operator,
        handler,
    }
}

const fn admin(route: Route) -> Route {
    Route {
        role: Role::Admin,
        ..route
    }
}

/// All endpoints that need a key.
pub const TABLE: &[Route] = &[
    writes("/api/v1/certificates", || post(certificates::request)),
    reads("/api/v1/certificates", || get(certificates::list)),
    writes("/api/v1/certificates:bulk", || post(bulk::request)),
    reads("/api/v1/certificates/{id}", || get(certificates::show)),
    writes("/api/v1/certificates/{id}/renew", || {
        post(certificates::renew)
    }),
    reads("/api/v1/certificates/{id}/versions", || {
        get(issued::versions)
    }),
    reads("/api/v1/certificates/{id}/chain", || get(issued::chain)),
    admin(reads("/api/v1/certificates/{id}/key", || get(issued::key))),
    reads("/api/v1/profiles", || get(profiles::list)),
    admin(writes("/api/v1/profiles", || post(profiles::add))),
    reads("/api/v1/issuers", || get(issuers::list)),
    reads("/api/v1/jobs", || get(jobs::list)),
    reads("/api/v1/jobs/{id}", || get(jobs::show)),
    writes("/api/v1/jobs/{id}/cancel", || post(jobs::cancel)),
    writes("/api/v1/jobs/{id}/retry", || post(jobs::retry)),
    reads("/api/v1/cluster", || get(cluster::show)),
    reads("/api/v1/version", || get(cluster::version)),
];

/// The whole surface, with its layers from the inside out.
pub(crate) fn router(app: &App) -> Router {
    let mut router = Router::new();
    for route in TABLE {
        let guard = Guard {
            app: app.clone(),
            role: route.role,
        };
        let guarded = (route.handler)().route_layer(from_fn_with_state(guard, auth::admit));
        router = router.route(route.path, guarded);
    }
    let open = Router::new()
        .route("/ready", get(life::ready))
        .route("/readyz", get(life::ready))
        .route("/health", get(life::health))
        .route("/livez", get(life::health))
        .method_not_allowed_fallback(unknown_method);
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(app.clone(), starting::gate))
        .merge(open)
        .layer(CatchPanicLayer::custom(limits::panicked))
        .layer(from_fn_with_state(app.clone(), limits::bound))
        .layer(from_fn(request_id::stamp))
        .with_state(app.clone())
}

async fn unknown_path(uri: Uri) -> Error {
    let error = Error::new(ProblemCode::NotFound, "there is nothing under this path");
    if uri.path().starts_with("/api/v1/") {
        return error;
    }
    error.with_hint("the API begins with /api/v1")
}

async fn unknown_method() -> Error {
    Error::new(
        ProblemCode::MethodNotAllowed,
        "this path knows other methods; see the Allow header",
    )
}
