//! The rehearsal CA: a fake on this machine, as strict as a public CA and trusted by nobody.
//!
//! Invariant: each step makes one call. An order whose answer is lost stays an orphan: it is never
//! finalized, since nobody knows its number.

mod calls;
mod config;
mod issuer;
#[cfg(test)]
mod tests;

pub(crate) use issuer::Rehearsal;
