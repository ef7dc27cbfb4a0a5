//! One function for each thing a user wants: it opens the transaction, asks the domain and calls
//! store, queue and audit.
//!
//! Invariant: what belongs together is one transaction (intent, audit row and job; effect and
//! finish), and no network call happens while one is open.

pub mod authorities;
pub mod bootstrap;
pub mod certificates;
pub mod cluster;
pub mod effects;
pub mod history;
pub mod issuers;
pub mod issuing;
pub mod issuing_many;
pub mod jobs;
pub mod keks;
pub mod keys;
pub mod lanes;
pub mod operations;
pub mod profiles;
pub mod publication;
pub mod rotation;
pub mod schedules;
pub mod statistics;
pub mod status;
pub mod submitting;
pub mod sweep;

mod caller;
mod context;
mod error;
mod idempotency;

pub use caller::{Caller, Role};
pub use context::{Context, Policy};
pub use error::{Error, FieldFault};
pub use idempotency::{Answer, Idempotency};
