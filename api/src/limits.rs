//! Bounds of a request that hold before any route: URL, headers, time; and what a panic becomes.
//!
//! Invariant: no request runs longer than the setting says, and none ends without an answer.

use std::any::Any;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use certmill_wire::ProblemCode;
use http::HeaderMap;

use crate::Error;
use crate::app::App;

const URL_MOST: usize = 8 * 1024;
const HEADERS_MOST: usize = 16 * 1024;
const HEADERS_COUNT: usize = 100;

/// Refuses long URLs and headers, and cuts slow work off.
pub(crate) async fn bound(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let url = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if url > URL_MOST {
        let detail = format!("the URL is longer than {URL_MOST} bytes");
        return Err(Error::new(ProblemCode::UriTooLong, detail));
    }
    let headers = request.headers();
    if headers.len() > HEADERS_COUNT || size(headers) > HEADERS_MOST {
        let detail = format!(
            "there are more than {HEADERS_COUNT} headers, or they are larger than {HEADERS_MOST} bytes"
        );
        return Err(Error::new(ProblemCode::HeadersTooLarge, detail));
    }
    let limit = app.limits.request_timeout;
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| {
            let detail = format!(
                "the work was not done within {} s; whether it was carried out is not known",
                limit.as_secs_f32()
            );
            Error::new(ProblemCode::Overloaded, detail)
                .with_hint("repeat the request with the same Idempotency-Key")
                .with_retry_after_s(5)
        })
}

fn size(headers: &HeaderMap) -> usize {
    // Each line has a colon, a space and an end.
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// The answer to a request whose handler panicked.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let words = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    let words = words.unwrap_or_else(|| "without words".to_owned());
    Error::internal(format!("a handler panicked: {words}")).into_response()
}
