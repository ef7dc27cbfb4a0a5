//! The outermost layer: gives each request its id, and each answer its last headers.
//!
//! Invariant: every answer, also of a panic or an unknown path, carries the request's id.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use rand::RngExt as _;
use tracing::Instrument as _;

use crate::problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const LONGEST_ID: usize = 64;

/// By what a request is found again.
#[derive(Clone, Debug)]
pub(crate) struct RequestId {
    /// Named by the client, or drawn here.
    pub id: String,
    /// The trace of its `traceparent`, if it has one (W3C Trace Context, section 3.2).
    pub trace_id: Option<String>,
}

/// Stamps request and answer, and logs the request as one line.
pub(crate) async fn stamp(mut request: Request, next: Next) -> Response {
    let stamp = RequestId::of(request.headers());
    let traceparent = request
        .headers()
        .get(TRACEPARENT)
        .cloned()
        .filter(|_| stamp.trace_id.is_some());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(stamp.clone());
    let span = tracing::info_span!("request", request_id = %stamp.id, trace_id = stamp.trace_id);
    let started = Instant::now();
    let answer = async {
        let response = problem::write(next.run(request).await, &stamp.id);
        tracing::debug!(
            event = "request",
            %method,
            route = route.as_deref().unwrap_or("-"),
            status = response.status().as_u16(),
            took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        );
        response
    };
    let mut response = answer.instrument(span).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&stamp.id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(traceparent) = traceparent {
        headers.insert(TRACEPARENT, traceparent);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text(&REQUEST_ID).filter(|id| is_fit(id)).map(str::to_owned);
        Self {
            id: id.unwrap_or_else(|| hex::encode(rand::rng().random::<[u8; 16]>())),
            trace_id: text(&TRACEPARENT).and_then(trace_id).map(str::to_owned),
        }
    }
}

/// A client's id goes into logs and rows, so only plain characters are taken.
fn is_fit(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain)
}

fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len| {
        text.len() == len
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let fit = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16);
    (fit && trace.bytes().any(|b| b != b'0')).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_and_valid_traces_are_taken() {
        assert!(is_fit("a-1_B.c:d"));
        for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert!(!is_fit(bad), "{bad}");
        }
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            trace_id(&format!("00-{trace}-00f067aa0ba902b7-01")),
            Some(trace)
        );
        assert_eq!(trace_id(&format!("ff-{trace}-00f067aa0ba902b7-01")), None);
        assert_eq!(
            trace_id(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))),
            None
        );
        assert_eq!(trace_id("00-xyz"), None);
    }
}
