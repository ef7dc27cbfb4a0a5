//! Answers of the plain listener as HTTP.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use certmill_crypto::digest::sha256_hex;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPIRES, HeaderValue, LAST_MODIFIED,
    RETRY_AFTER,
};
use http::{HeaderName, StatusCode};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

/// IMF-fixdate (RFC 9110, section 5.6.7).
const DATE: StaticFormatDescription = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// How long an answer may be kept, by the database's clock.
#[derive(Debug, Clone)]
pub(super) struct Freshness {
    /// When its content was settled.
    pub made: OffsetDateTime,
    /// When the question came.
    pub now: OffsetDateTime,
    /// Seconds that caches may keep it for.
    pub max_age_s: i64,
}

/// 404 without a word.
pub(super) fn nothing() -> Response {
    with_status(StatusCode::NOT_FOUND)
}

/// A status and no body.
pub(super) fn with_status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Not now; come back.
pub(super) fn later() -> Response {
    let mut response = with_status(StatusCode::SERVICE_UNAVAILABLE);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Bytes of a media type, to be kept as `fresh` says, or not at all.
pub(super) fn bytes(kind: &'static str, body: Bytes, fresh: Option<&Freshness>) -> Response {
    let tag = format!("\"{}\"", &sha256_hex(&body)[..32]);
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let Some(fresh) = fresh else {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    };
    let max_age = fresh.max_age_s.max(0);
    let mut set = |name: HeaderName, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    };
    // The directives of RFC 5019, section 6.2.
    set(
        CACHE_CONTROL,
        format!("max-age={max_age}, public, no-transform, must-revalidate"),
    );
    set(ETAG, tag);
    set(LAST_MODIFIED, date(fresh.made));
    set(EXPIRES, date(fresh.now + time::Duration::seconds(max_age)));
    response
}

fn date(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(DATE)
        .unwrap_or_default()
}

/// The same head without the body, for HEAD.
pub(super) fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let length = http_body_length(&body);
    if let Some(value) = length.and_then(|n| HeaderValue::from_str(&n.to_string()).ok()) {
        parts.headers.insert(CONTENT_LENGTH, value);
    }
    Response::from_parts(parts, Body::empty())
}

fn http_body_length(body: &Body) -> Option<u64> {
    axum::body::HttpBody::size_hint(body).exact()
}
