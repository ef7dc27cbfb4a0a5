//! A certificate authority to rehearse with: nobody trusts it, and it is as strict as a public one.
//!
//! It is a fake. It speaks a small protocol of its own, shaped like ACME (RFC 8555, section 7.4): an
//! order is asked for, finalized with a CSR, and fetched. Nothing is validated. Asking for an order is
//! not idempotent, and orders cannot be looked up by anything of ours.
//!
//! Invariant: it listens on loopback only, and whatever it answers stands in its ledger first.
#![deny(missing_docs)]

mod authority;
mod ca;
mod faults;
mod http;
mod ledger;
mod limits;
mod orders;
mod rehearsed;

pub use ca::{Ca, StartError};
pub use faults::Faults;
pub use ledger::{Entry, Operation};
pub use limits::Limit;
pub use rehearsed::Rehearsed;
