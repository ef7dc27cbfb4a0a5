//! What a connector implements, and how it says what went wrong.
//!
//! Invariant: a connector sees no database, never retries and never sleeps; it
//! makes at most one non-idempotent call a step and returns the state to be kept.
#![deny(missing_docs)]

mod ask;
pub mod conformance;
mod connector;
mod fault;
mod issuer;
mod remote;
mod revocation;

pub use ask::Ask;
pub use connector::{Connector, Deps};
pub use fault::{Fault, FaultClass, RATE_LIMITED};
pub use issuer::{Issuer, Powers, Step};
pub use remote::Remote;
pub use revocation::Revocation;
