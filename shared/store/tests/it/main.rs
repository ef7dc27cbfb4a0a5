//! Every statement of the store on a real Postgres.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the tables themselves"
)]

mod api_keys;
mod certificates;
mod explain;
mod grants;
mod idempotency;
mod many;
mod orders;
mod rig;
mod sweep;
mod tables;
mod versions;
