//! The nouns of certificate life and the decisions about them, as pure functions.
//!
//! Invariant: no I/O, no clock, no random number. `now` and chance are arguments, so that every
//! replica that decides from the same rows decides alike.
#![deny(missing_docs)]

pub mod api_key;
pub mod budget;
pub mod certificate;
pub mod ids;
pub mod job;
pub mod key;
pub mod names;
pub mod operation;
pub mod order;
mod place;
pub mod profile;
pub mod renewal;
pub mod revocation;
pub mod schedule;
pub mod serial;
pub mod validity;
pub mod waiting;

pub use place::place;

mod base32;
