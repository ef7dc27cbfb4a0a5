//! The HTTPS surface: routes over the service, with keys, bounds and problems.
//!
//! Invariant: TLS 1.3 only, and no state between requests but caches of seconds and the one
//! certificate that it serves; any replica can be killed at any instant.

mod accepted;
mod admission;
mod app;
mod auth;
mod body;
mod contract;
mod guesses;
mod id;
mod idempotency;
mod limits;
mod listing;
mod own_certificate;
mod permission;
mod plain;
mod principals;
mod problem;
mod rates;
mod readiness;
mod request_id;
mod routes;
mod server;
mod starting;
mod supplied;
mod tls;
mod unread;
mod uses;
mod views;

pub use permission::Permission;
pub use plain::{PlainOptions, serve_plain};
pub use problem::Error;
pub use routes::{Access, OPEN, Route, TABLE};
pub use server::{Bound, ServeError, ServerOptions, serve};
pub use supplied::check_supplied;

/// The contract of this build: the OpenAPI 3.1 document of [`TABLE`].
///
/// # Errors
/// Words about the schema or example that does not fit.
pub fn openapi() -> Result<serde_json::Value, String> {
    contract::document(TABLE)
}

/// Version of this build.
const VERSION: &str = env!("CARGO_PKG_VERSION");
