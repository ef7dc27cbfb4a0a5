//! Reads a request's body: JSON only, bounded in size and time, all faults at once.
//!
//! Invariant: no handler sees a body that was not checked by the wire's forms.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use certmill_wire::{ProblemCode, body};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use crate::Error;
use crate::app::App;

/// A parsed body, with its bytes for the idempotency's hash.
pub(crate) struct Json<T> {
    /// What it says.
    pub value: T,
    /// The body as it came.
    pub bytes: Bytes,
}

/// A body that may be absent, and is then the default.
pub(crate) struct OptionalJson<T>(pub Json<T>);

impl<T: body::Request> FromRequest<App> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        require_json(request.headers())?;
        let bytes = read(request, app).await?;
        Ok(Self {
            value: body::parse(&bytes)?,
            bytes,
        })
    }
}

impl<T: body::Request + Default> FromRequest<App> for OptionalJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let typed = require_json(request.headers());
        let bytes = read(request, app).await?;
        if bytes.is_empty() {
            return Ok(Self(Json {
                value: T::default(),
                bytes,
            }));
        }
        typed?;
        Ok(Self(Json {
            value: body::parse(&bytes)?,
            bytes,
        }))
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Error> {
    let refuse = |why: &str| {
        Err(Error::new(ProblemCode::UnsupportedMediaType, why)
            .with_hint("send Content-Type: application/json, in UTF-8 and not compressed"))
    };
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        return refuse("a compressed body is not taken");
    }
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    refuse("the body's media type is not application/json")
}

async fn read(request: Request, app: &App) -> Result<Bytes, Error> {
    let limit = app.limits.body_limit_bytes;
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if announced
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|len| len > limit as u64)
    {
        return Err(too_large(limit));
    }
    let deadline = body_deadline(app.limits.request_timeout);
    match tokio::time::timeout(deadline, collect(request.into_body(), limit)).await {
        Ok(read) => read,
        Err(_) => Err(Error::new(
            ProblemCode::RequestTimeout,
            format!(
                "the body was not complete after {} s",
                deadline.as_secs_f32()
            ),
        )),
    }
}

/// Less than the time of the whole request, so that a slow body is told apart from slow work.
fn body_deadline(request_timeout: Duration) -> Duration {
    request_timeout * 2 / 3
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Error> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            // axum hides the type of the limit's error behind its own.
            if cause.to_string().contains("length limit exceeded") {
                return too_large(limit);
            }
            source = cause.source();
        }
        Error::new(
            ProblemCode::RequestTimeout,
            "the connection ended before the body did",
        )
    })
}

fn too_large(limit: usize) -> Error {
    Error::new(
        ProblemCode::BodyTooLarge,
        format!("the body is larger than {limit} bytes"),
    )
}
