//! The client against a real TLS server on loopback.
#![allow(clippy::unwrap_used)]

mod server;
mod tls_and_retries;
