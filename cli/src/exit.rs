//! The exit codes: the contract with scripts.
//!
//! Invariant: a number never changes its meaning.

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed.
    Failed = 1,
    /// The command line is wrong; nothing was sent.
    Usage = 2,
    /// A setting, a file or the environment is wrong.
    Config = 3,
    /// Refused, by the server or for want of a yes.
    Refused = 4,
    /// It exists already, or its state does not allow this.
    Conflict = 5,
    /// Not done in time; it may still be.
    TimeOut = 6,
    /// Partly done: something is left for people.
    Partial = 8,
    /// There is no such thing.
    NotFound = 9,
    /// Nobody answered.
    Unreachable = 10,
    /// Ctrl-C: the request goes on without us.
    Detached = 130,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}
