//! Reads what a refused request still sends, so that its sender can read the refusal.
//!
//! An HTTP/1.1 connection on which we answer before the body was read has to be closed, and closing it
//! while bytes arrive makes a reset of the answer: the client would see a broken connection in place
//! of 401 or 413. Invariant: what is read here is dropped, and bounded in bytes and time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::Version;
use http::header::EXPECT;
use http_body::{Body as _, Frame, SizeHint};

use crate::app::App;

/// How many times the largest body is read at most.
const BODIES_MOST: usize = 4;
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets the request pass, and takes the rest of its body before the answer goes out.
pub(crate) async fn read_off(State(app): State<App>, request: Request, next: Next) -> Response {
    // HTTP/2 ends one stream and keeps its connection; whoever waits for our 100 has sent nothing.
    let keeps = request.version() > Version::HTTP_11
        || request.body().is_end_stream()
        || request.headers().contains_key(EXPECT);
    if keeps {
        return next.run(request).await;
    }
    let rest = Rest::default();
    let lent = |inner| {
        Body::new(Lent {
            inner,
            rest: rest.clone(),
        })
    };
    let response = next.run(request.map(lent)).await;
    let left = rest.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(body) = left {
        let most = app.limits.body_limit_bytes.saturating_mul(BODIES_MOST);
        tokio::time::timeout(PATIENCE, drop_all(body, most))
            .await
            .ok();
    }
    response
}

type Rest = Arc<Mutex<Option<Body>>>;

/// A request's body that comes back when its reader lets it go.
struct Lent {
    inner: Body,
    rest: Rest,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.inner.is_end_stream() {
            let body = std::mem::take(&mut self.inner);
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

async fn drop_all(mut body: Body, most: usize) {
    let mut read = 0_usize;
    while read < most {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let Some(Ok(frame)) = frame else {
            return;
        };
        read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
    }
}
