//! Stands before each route that needs a key: who asks, may they, and not too often.
//!
//! Invariant: a handler behind it finds the caller among the request's extensions, with the role
//! that its route names or a higher one.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use certmill_coordination::limiter::{Admission, GcraLimit, take};
use certmill_service::{Caller, Role};
use certmill_settings::ApiLimits;
use certmill_wire::ProblemCode;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::Error;
use crate::app::App;
use crate::problem::forbidden;
use crate::request_id::RequestId;

/// What a route asks of its callers.
#[derive(Clone)]
pub(crate) struct Guard {
    /// The process's handles.
    pub app: App,
    /// The least role.
    pub role: Role,
}

/// Lets a request pass to its route, or answers why not.
pub(crate) async fn admit(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let bearer = bearer(request.headers())?;
    let _place = guard.app.admission.enter()?;
    let found = guard.app.principals.of(&guard.app.context, bearer).await?;
    let mut caller =
        found.ok_or_else(|| unauthenticated("the API key is not known, expired or revoked"))?;
    limit(&guard.app, &caller).await?;
    if caller.role < guard.role {
        return Err(forbidden(caller.role.as_str()));
    }
    if let Some(stamp) = request.extensions().get::<RequestId>() {
        caller.request_id = Some(stamp.id.clone());
        caller.trace_id.clone_from(&stamp.trace_id);
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
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
    match take(&app.context.pool, &key, gcra(&app.limits)).await {
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
