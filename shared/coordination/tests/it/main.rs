//! Coordination on a real Postgres.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the tables themselves"
)]

mod allowance;
mod budget;
mod campaign;
mod explain;
mod leader;
mod limiter;
mod rig;
mod schedule;
