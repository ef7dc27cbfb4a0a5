//! Everything of this crate that needs a real Postgres.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests ask the server by SQL and start processes"
)]

mod bundle;
mod child;
mod embedded;
mod errors;
mod history;
mod horizon;
mod migrating;
mod planning;
mod poisoning;
mod rotation;
mod warm;
