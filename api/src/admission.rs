//! How much goes on at once in this process: beyond it, clients are sent away at once instead of
//! queueing for connections until they time out.
//!
//! Invariant: requests that hold a place are at most [`PER_CONNECTION`] times the pool, and those
//! that only wait for a job take at most half of the places.

use std::sync::Arc;

use certmill_pg::Pool;
use certmill_wire::ProblemCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;

/// A statement takes about a millisecond, so a queue of this length is over within a tenth of a
/// second.
const PER_CONNECTION: usize = 16;

/// The places of this process.
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    waits: Arc<Semaphore>,
}

impl Admission {
    /// As many places as fit the pool.
    pub(crate) fn for_pool(pool: &Pool) -> Self {
        let places = PER_CONNECTION * pool.max_connections().max(1) as usize;
        Self {
            requests: Arc::new(Semaphore::new(places)),
            waits: Arc::new(Semaphore::new(places / 2)),
        }
    }

    /// A place for one request, free again when it is dropped.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Error> {
        take(&self.requests).ok_or_else(|| {
            let detail = "this replica has too much to do; nothing was carried out";
            Error::new(ProblemCode::Overloaded, detail).with_retry_after_s(1)
        })
    }

    /// A place for a request that waits for its job; without one it is answered at once.
    pub(crate) fn wait(&self) -> Option<OwnedSemaphorePermit> {
        take(&self.waits)
    }
}

fn take(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    places.clone().try_acquire_owned().ok()
}
