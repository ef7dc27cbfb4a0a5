//! What every function of the service needs: the pool, the hint and this server's policy.

use crate::Error;
use certmill_crypto::seal::LiveKeyring;
use certmill_pg::{Pool, PoolConnection, Tx};
use certmill_queue::Hinter;
use std::sync::Arc;
use time::Duration;

/// How often an intention is tried when Postgres breaks a deadlock with it. Locks are taken in one
/// order (job, certificate, order); where a row is only about to be inserted, two can still meet.
const ATTEMPTS_MAX: usize = 5;

/// Rules that come from this process's settings.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The lease of a process: profiles must live ten times as long.
    pub process_lease: Duration,
    /// Whether server-made keys were acknowledged.
    pub acknowledge_sealed_keys: bool,
}

/// Handles of one process; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The application's pool.
    pub pool: Pool,
    /// Wakes workers after a commit.
    pub hinter: Hinter,
    /// The app KEK, where this process loaded it.
    pub app_keys: Option<Arc<LiveKeyring>>,
    /// Rules from the settings.
    pub policy: Policy,
}

impl Context {
    /// Opens a transaction.
    ///
    /// # Errors
    /// [`Error::Store`] if no connection is to be had.
    pub async fn begin(&self) -> Result<Tx, Error> {
        begin(&self.pool).await
    }

    /// A connection for reads that need no transaction: each statement sees its own snapshot, as in
    /// a transaction of the default isolation, and two round trips are saved.
    ///
    /// # Errors
    /// [`Error::Store`] if no connection is to be had.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection, Error> {
        self.pool
            .acquire()
            .await
            .map_err(|error| Error::Store(error.into()))
    }
}

/// Opens a transaction on a pool.
pub(crate) async fn begin(pool: &Pool) -> Result<Tx, Error> {
    certmill_pg::begin(pool)
        .await
        .map_err(|error| Error::Store(error.into()))
}

/// Commits; an error here means that the outcome is unknown.
pub(crate) async fn commit(tx: Tx) -> Result<(), Error> {
    tx.commit()
        .await
        .map_err(|error| Error::Store(error.into()))
}

/// Carries an intention out, anew while Postgres breaks deadlocks with it.
///
/// # Errors
/// The attempt's own; the deadlock of the last one.
pub(crate) async fn despite_deadlocks<T, Trying>(
    mut attempt: impl FnMut() -> Trying,
) -> Result<T, Error>
where
    Trying: Future<Output = Result<T, Error>>,
{
    for _ in 1..ATTEMPTS_MAX {
        match attempt().await {
            Err(error) if error.is_deadlock() => {}
            ended => return ended,
        }
    }
    attempt().await
}

/// Carries an intention for a certificate out, anew while somebody comes in between: an attempt
/// that saw it answers `None`, one that met it in a deadlock was rolled back. `others` is what they
/// do to the certificate.
///
/// # Errors
/// The attempt's own; [`Error::Conflict`] `certificate_busy` where others always came in between.
pub(crate) async fn despite_others<T, Trying>(
    others: &str,
    mut attempt: impl FnMut() -> Trying,
) -> Result<T, Error>
where
    Trying: Future<Output = Result<Option<T>, Error>>,
{
    for _ in 0..ATTEMPTS_MAX {
        match attempt().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) if error.is_deadlock() => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict {
        code: "certificate_busy",
        detail: format!(
            "others {others} this certificate at this moment; look at it before trying again"
        ),
    })
}
