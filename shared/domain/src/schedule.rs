//! The kinds of jobs that schedules emit, named here for the scheduler, which only enqueues, and
//! for the worker, which runs them.

/// Steps through certificates that are due.
pub const RENEWAL_SWEEP: &str = "renewal_sweep";
/// Makes and drops the day partitions of the history.
pub const PARTITION_CARE: &str = "partition_care";
/// The lane of short internal work.
pub const LANE: &str = "internal";
