//! Operations: one wish for many jobs, carried out in steps by a job of the kind `bulk`.
//!
//! Invariant: what a step does, what it counts and where the next one begins are one transaction under
//! the fence of the job that takes it.

mod act;
mod check;
mod read;
mod start;
mod step;
mod stop;

pub use act::JobSettings;
pub(crate) use check::{known_kinds, known_lanes};
pub use read::{by_id, list};
pub use start::{BulkAsk, Plan, plan, start};
pub use step::{Step, step};
pub use stop::{abort, end};
