//! The plain HTTP listener: revocation lists and OCSP, for anybody, and nothing else.
//!
//! Invariant: two paths and no key; whatever else is asked gets 404 and an empty body. Everything is
//! bounded apart from the API's own bounds: connections, bodies, times, and how many questions the
//! database gets at once.

mod answers;
mod asked;
mod book;
mod connections;
mod listed;
mod ocsp;
mod reply;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum_server::Handle;
use certmill_service::Context;
use certmill_tasks::Tasks;
use hyper_util::rt::TokioTimer;
use tokio::sync::Semaphore;

use crate::ServeError;
use crate::server::bind;
use answers::Answers;
use asked::Asked;
use book::Books;
use connections::Bounded;
use listed::Lists;

/// Also the longest pause on a kept connection.
const HEADERS: Duration = Duration::from_secs(5);
const READ_BUFFER: usize = 8 * 1024;
const CONNECTIONS_MAX: usize = 512;
/// Questions to the database at once; the API's own requests must not wait for strangers.
const QUESTIONS_MAX: usize = 8;

/// How the listener is served.
pub struct PlainOptions {
    /// The address; port 0 draws one.
    pub listen: SocketAddr,
    /// The service's handles; the app KEK opens the keys of OCSP responders.
    pub context: Context,
    /// How long open requests may go on after the shutdown was asked for.
    pub grace: Duration,
}

/// What the handlers share.
struct Plain {
    context: Context,
    books: Books,
    answers: Answers,
    lists: Lists,
    questions: Semaphore,
}

/// Binds the address and serves in `tasks` until their shutdown; answers the address.
///
/// # Errors
/// [`ServeError::Bind`].
pub async fn serve_plain(options: PlainOptions, tasks: &Tasks) -> Result<SocketAddr, ServeError> {
    let (listener, local) = bind(options.listen)?;
    let shutdown = tasks.shutdown_token();
    let plain = Arc::new(Plain {
        books: Books::default(),
        answers: Answers::default(),
        lists: Lists::default(),
        questions: Semaphore::new(QUESTIONS_MAX),
        context: options.context,
    });
    let handle = Handle::new();
    let server = axum_server::from_tcp(listener).map_err(|source| ServeError::Bind {
        listen: local,
        source,
    })?;
    let mut server = server
        .handle(handle.clone())
        .acceptor(Bounded::new(CONNECTIONS_MAX))
        .http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(READ_BUFFER);
    let keeper = Arc::clone(&plain);
    let until = shutdown.clone();
    tasks.spawn_essential("plain-books", async move {
        book::keep(&keeper.context, &keeper.books, &until).await;
    });
    let router = Router::new().fallback(answer).with_state(plain);
    tasks.spawn_essential("plain-server", async move {
        if let Err(error) = server.serve(router.into_make_service()).await {
            tracing::error!(event = "plain_server_failed", %error);
        }
    });
    let grace = options.grace * 9 / 10;
    tasks.spawn("plain-drain", async move {
        shutdown.requested().await;
        handle.graceful_shutdown(Some(grace));
    });
    Ok(local)
}

async fn answer(State(plain): State<Arc<Plain>>, request: Request) -> Response {
    let head = request.method() == http::Method::HEAD;
    let response = match Asked::of(request.method(), request.uri().path()) {
        Asked::List(label) => listed::answer(&plain, &label, request.headers()).await,
        Asked::StatusInPath(encoded) => ocsp::of_path(&plain, &encoded).await,
        Asked::StatusInBody => ocsp::of_body(&plain, request).await,
        Asked::Nothing => reply::nothing(),
    };
    if head {
        reply::without_body(response)
    } else {
        response
    }
}
