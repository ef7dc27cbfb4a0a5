//! What is wrong with the CA at the moment.

use std::time::Duration;

/// Faults; the default is none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    /// Each answer comes this much later.
    pub delay: Duration,
    /// This share of requests is refused with 503, from 0 to 1, and does nothing.
    pub refused: f64,
    /// This share of what was done is never answered: the connection stays open until the client ends
    /// it.
    pub unanswered: f64,
    /// A certificate is ready so long after its order was finalized.
    pub processing: Duration,
}

impl Faults {
    pub(crate) fn refuses(&self) -> bool {
        rand::random::<f64>() < self.refused
    }

    pub(crate) fn swallows(&self) -> bool {
        rand::random::<f64>() < self.unanswered
    }
}
