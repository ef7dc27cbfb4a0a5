//! Schedulers in this process on a real Postgres: slots become jobs, one leader at a time.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the tables themselves"
)]

mod leading;
mod rig;
mod slots;
