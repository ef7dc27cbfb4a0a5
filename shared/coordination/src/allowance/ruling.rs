//! Whether a request may go on, and what is left.
//!
//! Invariant: `left` is what this replica knows; what others take meanwhile is not in it.

use std::time::Duration;

use crate::limiter::GcraLimit;

/// One pass of a key is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whose.
    pub key: &'a str,
    /// Under which limit.
    pub limit: GcraLimit,
}

/// The answer to asks that belong together: all passes are given or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling<const N: usize> {
    /// Which of the asks said no; none if the request may go on.
    pub denied: Option<Denial>,
    /// How many passes are left of each.
    pub left: [u32; N],
}

/// A no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The place of the ask.
    pub nth: usize,
    /// A request may pass after this long, if no other comes first.
    pub retry_after: Duration,
}

impl<const N: usize> Ruling<N> {
    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.denied.is_none()
    }
}
