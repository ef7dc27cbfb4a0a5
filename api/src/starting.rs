//! Until its own certificate is in place, this replica serves nothing but life and readiness.
//!
//! Invariant: no key and no answer crosses a connection whose certificate clients cannot check.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use certmill_wire::ProblemCode;

use crate::Error;
use crate::app::App;

/// Lets requests pass once the certificate is there.
pub(crate) async fn gate(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    if app.readiness.has_certificate() {
        return Ok(next.run(request).await);
    }
    let detail = "this replica waits for its own certificate; a worker that signs must run";
    Err(Error::finer(ProblemCode::NotReady, "starting", detail)
        .with_hint("GET /ready names what is missing")
        .with_retry_after_s(1))
}
