//! Commands that need no server: they read settings, and look at this machine and its database.
//!
//! Invariant: they change nothing.

mod config;
mod doctor;
mod machine;

pub use config::run as config;
pub use doctor::run as doctor;
