//! Stands before each route that needs a key: who asks, may they, and not too often.
//!
//! Invariant: a handler behind it finds the caller among the request's extensions, with a role
//! that includes the permission of its route.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use certmill_coordination::{Ask, GcraLimit};
use certmill_service::Caller;
use certmill_service::keys::Proof;
use certmill_settings::ApiLimits;
use certmill_wire::{FieldError, Problem, ProblemCode};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::Error;
use crate::app::App;
use crate::guesses::{self, Guess, place};
use crate::permission::Permission;
use crate::problem::forbidden;
use crate::rates::{self, Rates};
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
    let (mut caller, rates) = caller(&guard.app, request.headers(), peer.ip()).await?;
    let mut response = match fit(&guard, &mut caller, &request) {
        Ok(()) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    };
    rates.write(response.headers_mut());
    Ok(response)
}

/// Whether this caller may ask this; stamps the caller with what the request is found by.
fn fit(guard: &Guard, caller: &mut Caller, request: &Request) -> Result<(), Error> {
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
    Ok(())
}

/// Refuses whoever has no valid key, where there is no route to ask for more.
pub(crate) async fn known(app: &App, headers: &HeaderMap, peer: IpAddr) -> Result<(), Error> {
    let _place = app.admission.enter()?;
    caller(app, headers, peer).await.map(|_| ())
}

/// Who asks; refuses unknown keys and those that ask too often. Only wrong keys are counted
/// against their address, so that a good one costs no statement for it.
async fn caller(app: &App, headers: &HeaderMap, peer: IpAddr) -> Result<(Caller, Rates), Error> {
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
    let rates = limit(app, &caller, peer).await?;
    Ok((caller, rates))
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

/// The limits of each key, and of each address over all its keys, over all replicas. A limit is no
/// reason for an outage: while the database is away they hold for each replica alone.
async fn limit(app: &App, caller: &Caller, peer: IpAddr) -> Result<Rates, Error> {
    let (of_key, of_address) = limits(&app.limits);
    let (key, address) = (
        format!("api:{}", caller.actor),
        format!("address:{}", place(peer)),
    );
    let asks = [
        Ask {
            key: &key,
            limit: of_key,
        },
        Ask {
            key: &address,
            limit: of_address,
        },
    ];
    let ruling = app.allowance.take(asks).await;
    let [key_left, address_left] = ruling.left;
    let rates = Rates::of([
        ("key", of_key, key_left),
        ("address", of_address, address_left),
    ]);
    let Some(denial) = ruling.denied else {
        return Ok(rates);
    };
    let (who, rate, burst) = match denial.nth {
        0 => ("key", app.limits.rate_per_s, app.limits.burst),
        _ => (
            "address, with all its keys,",
            app.limits.address_rate_per_s,
            app.limits.address_burst,
        ),
    };
    let detail = format!("this {who} may send {rate} requests a second and {burst} at once");
    Err(rates::refusal(detail, denial.retry_after, rates))
}

fn limits(limits: &ApiLimits) -> (GcraLimit, GcraLimit) {
    (
        GcraLimit::per_second(limits.rate_per_s, limits.burst),
        GcraLimit::per_second(limits.address_rate_per_s, limits.address_burst),
    )
}
