//! The kinds of jobs that schedules emit, named here for the scheduler, which only enqueues, and
//! for the worker, which runs them.

/// Steps through certificates that are due.
pub const RENEWAL_SWEEP: &str = "renewal_sweep";
/// Makes and drops the day partitions of the history.
pub const PARTITION_CARE: &str = "partition_care";
/// Looks which authorities need a new list of what they revoked.
pub const CRL_SWEEP: &str = "crl_sweep";
/// The lane of short internal work.
pub const LANE: &str = "internal";
/// The lane of what signs with the keys of authorities, apart from certificates.
pub const AUTHORITY_LANE: &str = "authority";
