//! The queue on a real Postgres.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the tables themselves"
)]

mod control;
mod drain;
mod enqueue;
mod explain;
mod fences;
mod finish;
mod finisher;
mod lanes;
mod partitions;
mod process;
mod rescue;
mod rig;
mod runtime;
mod selection;
mod swallow;
mod wake;
