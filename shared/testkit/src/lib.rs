//! What tests stand on: a real Postgres for each test process and a fresh database for each test.
//!
//! Invariant: nothing shared between tests holds a pool or a task of one test's runtime.

mod address;
mod bouncer;
mod database;
mod leftovers;
mod reaper;
mod server;
mod tool;
mod waiting;

pub use address::free_address;
pub use bouncer::{Bouncer, Release};
pub use database::TestDb;
pub use server::{cache_dir, start_server};
pub use tool::tool;
pub use waiting::{PATIENCE, backend_pid, until, until_blocked};
