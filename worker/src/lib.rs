//! The worker role: claims jobs, runs their kinds, settles what they end in.
//!
//! Invariant: nothing is kept between jobs but connected issuers; a worker may be killed at any
//! instant, and what it had is handed out again.

mod attempt;
mod failpoint;
mod issuers;
mod kinds;
mod loader;
mod outcome;
mod rescue;
mod runtime;
mod settle;

pub use failpoint::Failpoints;
pub use outcome::{Failed, Outcome, decide};
pub use runtime::{Kinds, Options, Retention, STOP_PATIENCE, run, run_kinds};
