//! How replicas agree: one leader at a time, each schedule slot once, one rate limit for all.
//!
//! Invariant: the database's clock and rows decide. Whatever a leader writes carries its epoch and
//! holder and checks both in the same statement, so that two who believe to lead do no harm.
#![deny(missing_docs)]

mod allowance;
pub mod budget;
mod campaign;
mod error;
pub mod leader;
pub mod limiter;
pub mod schedule;
mod schedule_rows;
mod span;

pub use allowance::{Allowance, Ask, Denial, Ruling};
pub use campaign::{CampaignOptions, campaign};
pub use error::Error;
pub use leader::{Candidate, LeaderRow, Term, TermRow};
pub use limiter::{GcraLimit, Taken, Wish};
pub use schedule::{Due, DueSlot, Schedule, Ticked};
pub use schedule_rows::{LastJob, ScheduleRow, Standing, schedule_rows};

/// The answer of this crate's calls.
pub type Result<T> = std::result::Result<T, Error>;
