//! The local CA: signs with a key of our own, which the worker opens.
//!
//! Invariant: one step, no remote state, and what comes out depends on the ask
//! and the issuing certificate alone.

mod config;
mod issuer;
#[cfg(test)]
mod tests;

pub(crate) use issuer::Local;
