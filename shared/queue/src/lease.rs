//! The proof that a process owns a running job.
//!
//! Invariant: all four parts are checked together; a counter alone can come twice after a
//! failover, a process alone can hold the same job a second time.

use certmill_domain::ids::JobId;
use serde::{Deserialize, Serialize};

/// Id of one incarnation of a process; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub i64);

/// Ownership of a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The job.
    pub job_id: JobId,
    /// Its ownership counter at the claim.
    pub fence: i32,
    /// The random token of the claim statement.
    pub token: i64,
    /// The process that claimed.
    pub process_id: ProcessId,
}
