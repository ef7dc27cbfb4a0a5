//! The API over real Postgres and real TLS, without a worker.
#![allow(clippy::unwrap_used)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at rows by SQL, and speak through openssl"
)]

mod bad_input;
mod bodies;
mod bootstrap;
mod certificates;
mod client;
mod contract;
mod cursors;
mod examples;
mod fixture;
mod guessing;
mod idempotency;
mod issuing;
mod keys;
mod limits;
mod matrix;
mod openssl;
mod operations;
mod own_certificate;
mod problems;
mod revocation;
mod roles;
mod schemathesis;
mod strangers;
mod tls;
