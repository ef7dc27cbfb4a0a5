//! Logging for every role: one event is one line on stderr, stdout stays free for data.
//!
//! Invariant: whatever stands in a field, an event never spans two lines and never carries
//! a raw control character; and the wall clock is read here and nowhere else.

pub mod capture;
pub mod clock;
mod escape;
mod init;
mod ready;

pub use init::{Format, InitError, check_filter, init};
pub use ready::{READY_TARGET, Ready, ready};
