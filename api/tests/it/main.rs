//! The API over real Postgres and real TLS, without a worker.
#![allow(clippy::unwrap_used)]

mod bodies;
mod certificates;
mod cursors;
mod fixture;
mod idempotency;
mod issuing;
mod limits;
mod openssl;
mod own_certificate;
mod roles;
mod tls;
