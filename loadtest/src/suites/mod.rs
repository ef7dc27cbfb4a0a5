//! The suites: one file or folder each, one line each in the registry.

pub mod budget;
pub mod faults;
pub mod growth;
pub mod issuance;
pub mod limiter;
pub mod queue;
pub mod replicas;
