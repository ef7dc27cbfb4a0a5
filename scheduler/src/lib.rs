//! The scheduler role: leads a term, turns due slots into jobs. It only enqueues.
//!
//! Invariant: whatever it writes carries the term's epoch and holder; losing the lease ends the
//! term's work, never the process.

mod horizon;
mod runtime;
mod term;

pub use runtime::{Options, run};
