//! Transactions, and what becomes of a change once its commit is acknowledged.
//!
//! Invariant: a change is remembered after its commit was answered, never before.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use certmill_tasks::carry_through;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::Pool;
use crate::history::{Acknowledged, History};

/// A transaction; dropped without commit, it is rolled back.
#[derive(Debug)]
pub struct Tx<'c> {
    inner: Transaction<'c, Postgres>,
    history: Option<Arc<History>>,
    written: Vec<Acknowledged>,
}

/// Opens a transaction on a connection of the pool. This is the only way to open one: a caller that
/// is dropped meanwhile leaves no open transaction behind for whoever gets the connection next.
///
/// # Errors
/// No connection is to be had, or the server refuses.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the place that keeps the begin from being left half-way"
)]
pub async fn begin(pool: &Pool) -> sqlx::Result<Tx<'static>> {
    let (history, pool) = (History::of(pool), pool.clone());
    Ok(Tx {
        inner: carry_through(async move { pool.begin().await }).await?,
        history,
        written: Vec::new(),
    })
}

impl Tx<'_> {
    /// Whether anybody remembers what is written here.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.history.is_some()
    }

    /// Notes changes that this transaction has written, to be remembered once they are committed.
    pub fn wrote(&mut self, changes: impl IntoIterator<Item = Acknowledged>) {
        self.written.extend(changes);
    }

    /// Commits.
    ///
    /// # Errors
    /// The database's; unless it refused the statement itself, the outcome is unknown.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.inner.commit().await?;
        if let Some(history) = self.history
            && !self.written.is_empty()
        {
            history.remember(self.written);
        }
        Ok(())
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// The connection broke, which takes it back as well.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.inner.rollback().await
    }
}

impl Deref for Tx<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}
