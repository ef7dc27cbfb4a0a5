//! The processes of a cluster: how many of each role a test has.

/// Name and role of a process.
pub type Member = (&'static str, &'static str);

/// Every process, as most tests have them; the first api is the one that clients ask.
pub const MEMBERS: &[Member] = &[
    ("api-1", "api"),
    ("worker-1", "worker"),
    ("worker-2", "worker"),
    ("scheduler-1", "scheduler"),
    ("scheduler-2", "scheduler"),
];

/// As many as the long run has.
pub const MANY_MEMBERS: &[Member] = &[
    ("api-1", "api"),
    ("api-2", "api"),
    ("api-3", "api"),
    ("worker-1", "worker"),
    ("worker-2", "worker"),
    ("worker-3", "worker"),
    ("worker-4", "worker"),
    ("scheduler-1", "scheduler"),
    ("scheduler-2", "scheduler"),
    ("scheduler-3", "scheduler"),
];

/// Two of each role, as the faults are played with.
pub const PAIRS: &[Member] = &certmill_loadtest::faults::MEMBERS;
