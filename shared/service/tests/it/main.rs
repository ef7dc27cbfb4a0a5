//! The service on a real Postgres: what users and workers want, one transaction each.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the tables themselves"
)]

mod authorities;
mod bootstrap;
mod cancelled;
mod chores;
mod effects;
mod first_admin;
mod history;
mod import;
mod intake;
mod issuing;
mod jobs;
mod keys;
mod order_walk;
mod profiles;
mod renew;
mod request;
mod rig;
mod rotation;
mod shown;
mod stopping;
mod sweep;
mod waiting;
