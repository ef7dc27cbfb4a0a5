//! Stands before each route that needs a key: who asks, may they, and not too often.
//!
//! Invariant: a handler behind it finds the caller among the request's extensions, with a role
//! that includes the permission of its route.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use certmill_coordination::limiter::{Admission, GcraLimit};
use certmill_service::Caller;
use certmill_service::keys::Proof;
use certmill_settings::ApiLimits;
use certmill_wire::{FieldError, Problem, ProblemCode};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::Error;
use crate::app::App;
use crate::guesses::{self, Guess};
use crate::permission::Permission;
use crate::problem::forbidden;
use crate::request_id::RequestId;

/// What a route asks of its callers.
#[derive(Clone)]
pub(crate) struct Guard {
    /// The process's handles.
    pub app: App,
    /// What the key must be allowed.
    pub permission: Permission,
    /// Whether the route reads a query; without, any parameter is unknown.
    pub has_query: bool,
}

/// Lets a request pass to its route, or answers why not.
pub(crate) async fn admit(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let _place = guard.app.admission.enter()?;
    let mut caller = caller(&guard.app, request.headers(), peer.ip()).await?;
    if caller.role < guard.permission.least_role() {
        return Err(forbidden(caller.role.as_str()));
    }
    if !guard.has_query && request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(no_query());
    }
    if let Some(stamp) = request.extensions().get::<RequestId>() {
        caller.request_id = Some(stamp.id.clone());
        caller.trace_id.clone_from(&stamp.trace_id);
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Refuses whoever has no valid key, where there is no route to ask for more.
pub(crate) async fn known(app: &App, headers: &HeaderMap, peer: IpAddr) -> Result<(), Error> {
    let _place = app.admission.enter()?;
    caller(app, headers, peer).await.map(|_| ())
}

/// Who asks; refuses unknown keys and those that ask too often. Only wrong keys are counted
/// against their address, so that a good one costs no statement for it.
async fn caller(app: &App, headers: &HeaderMap, peer: IpAddr) -> Result<Caller, Error> {
    let bearer = bearer(headers)?;
    let caller = match app.principals.of(&app.context, bearer).await? {
        Proof::Valid(principal) => principal.caller,
        Proof::Malformed(why) => return Err(unauthenticated(&why.to_string())),
        Proof::Refused => {
            guesses::count(app, peer, Guess::Key).await?;
            let detail = "the API key is not known, expired or revoked";
            return Err(unauthenticated(detail));
        }
    };
    limit(app, &caller).await?;
    Ok(caller)
}

fn no_query() -> Error {
    let fault = FieldError::new("?", "unknown_filter", "this route has no query parameters");
    Problem::of_fields(ProblemCode::InvalidQuery, vec![fault]).into()
}

fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let missing = || unauthenticated("the request carries no API key");
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing());
    };
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    Ok(key.trim())
}

fn unauthenticated(detail: &str) -> Error {
    Error::new(ProblemCode::Unauthenticated, detail).with_hint(
        "send `Authorization: Bearer <key>`; the first key is in admin.key of the data folder",
    )
}

/// The limit of each key over all replicas. A database that fails here lets the request pass: it
/// will say so itself, and a limit is no reason for an outage.
async fn limit(app: &App, caller: &Caller) -> Result<(), Error> {
    let key = format!("api:{}", caller.actor);
    let pool = &app.context.pool;
    match app.allowance.take(pool, &key, gcra(&app.limits)).await {
        Ok(Admission::Allowed) => Ok(()),
        Ok(Admission::Denied { retry_after }) => {
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            let detail = format!(
                "this key may send {} requests a second and {} at once",
                app.limits.rate_per_s, app.limits.burst
            );
            Err(Error::new(ProblemCode::RateLimited, detail).with_retry_after_s(seconds.max(1)))
        }
        Err(error) => {
            tracing::warn!(event = "limit_not_asked", %error, "the rate limit was not asked; passing");
            Ok(())
        }
    }
}

fn gcra(limits: &ApiLimits) -> GcraLimit {
    GcraLimit {
        emission_interval: Duration::from_secs(1) / limits.rate_per_s.max(1),
        burst: limits.burst.max(1),
    }
}
