//! Connections that rest between two statements.
//!
//! Invariant: what rests is idle and outside any transaction; it is lent only as long as its last proof
//! holds and its pool is open. One that is too old goes back to sqlx, which looks at its age and asks the
//! server, when somebody comes upon it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sqlx::{PgPool, Postgres};

use crate::connect::PROVED_FOR;
use crate::history::History;

/// A connection, and when the pool last proved that it leads to a living server.
#[derive(Debug)]
pub(crate) struct Resting {
    pub(crate) conn: sqlx::pool::PoolConnection<Postgres>,
    pub(crate) proved: Instant,
}

/// The resting connections of a pool. The last to come is the first to go, so that few are in use and
/// their proofs young. Those below it stay open until they are needed again.
pub(crate) struct Warm {
    pool: PgPool,
    history: Option<Arc<History>>,
    resting: Mutex<Vec<Resting>>,
}

impl Warm {
    pub(crate) fn new(pool: PgPool, history: Option<Arc<History>>) -> Self {
        Self {
            pool,
            history,
            resting: Mutex::default(),
        }
    }

    /// One that may be lent now. Older ones on the way are given back to sqlx.
    pub(crate) fn take(&self) -> Option<Resting> {
        let mut resting = self.lock();
        while let Some(one) = resting.pop() {
            if self.holds(&one) {
                return Some(one);
            }
        }
        None
    }

    /// Lets one rest, or gives it back to sqlx.
    pub(crate) fn put(&self, one: Resting) {
        if self.pool.is_closed() || !self.holds(&one) {
            return;
        }
        self.lock().push(one);
        if self.pool.is_closed() {
            self.clear();
        }
    }

    /// Gives all of them back to sqlx.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.lock());
        drop(all);
    }

    fn holds(&self, one: &Resting) -> bool {
        let age = one.proved.elapsed();
        let outlived = |history: &Arc<History>| history.outlived_by(age);
        age < PROVED_FOR && !self.history.as_ref().is_some_and(outlived)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        // The pool is gone. To give one back takes a runtime, which may be gone as well.
        for one in self.lock().drain(..) {
            drop(one.conn.detach());
        }
    }
}

impl fmt::Debug for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resting = self.lock().len();
        f.debug_struct("Warm").field("resting", &resting).finish()
    }
}
