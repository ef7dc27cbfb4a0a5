//! Orders as the CA keeps them.
//!
//! Invariant: an order is finalized once; asking again is refused and changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use certmill_domain::names::Names;
use time::OffsetDateTime;

/// One order.
pub(crate) struct Order {
    pub names: Names,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    pub finalized: Option<Finalized>,
}

/// What an order was finalized to.
#[derive(Clone)]
pub(crate) struct Finalized {
    pub at: Duration,
    pub chain: Vec<Vec<u8>>,
}

/// All orders.
#[derive(Default)]
pub(crate) struct Orders {
    newest: u64,
    pub by_number: HashMap<u64, Order>,
}

impl Orders {
    /// Keeps an order under the next number.
    pub(crate) fn add(&mut self, order: Order) -> u64 {
        self.newest += 1;
        self.by_number.insert(self.newest, order);
        self.newest
    }
}
