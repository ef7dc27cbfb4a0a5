//! Findings on a real Postgres, each planted and each absent; and the page that explains them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where something unexpected happens"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests plant faults by SQL and start a pooler"
)]

mod bouncer;
mod findings;
mod page;
mod rig;
