//! Transactions, and what becomes of a change once its commit is acknowledged.
//!
//! Invariant: a change is remembered after its commit was answered, never before.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use certmill_tasks::carry_through;
use sqlx::PgConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx_core::transaction::TransactionManager as _;

use crate::history::{Acknowledged, History};
use crate::{Pool, PoolConnection};

/// A transaction; dropped without commit, it is rolled back.
#[derive(Debug)]
pub struct Tx {
    conn: PoolConnection,
    open: bool,
    history: Option<Arc<History>>,
    written: Vec<Acknowledged>,
}

/// Opens a transaction on a connection of the pool. This is the only way to open one: a caller that
/// is dropped meanwhile leaves no open transaction behind for whoever gets the connection next.
///
/// # Errors
/// No connection is to be had, or the server refuses.
pub async fn begin(pool: &Pool) -> sqlx::Result<Tx> {
    let pool = pool.clone();
    let begun = async move {
        let mut conn = pool.acquire().await?;
        PgTransactionManager::begin(&mut conn, None).await?;
        Ok(Tx {
            conn,
            open: true,
            history: pool.history().cloned(),
            written: Vec::new(),
        })
    };
    carry_through(begun).await
}

impl Tx {
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
    pub async fn commit(mut self) -> sqlx::Result<()> {
        PgTransactionManager::commit(&mut self.conn).await?;
        self.has_ended();
        if let Some(history) = self.history.take()
            && !self.written.is_empty()
        {
            history.remember(std::mem::take(&mut self.written));
        }
        Ok(())
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// The connection broke, which takes it back as well.
    pub async fn rollback(mut self) -> sqlx::Result<()> {
        PgTransactionManager::rollback(&mut self.conn).await?;
        self.has_ended();
        Ok(())
    }

    fn has_ended(&mut self) {
        self.open = false;
        self.conn.settle();
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if self.open {
            // Queued, and sent when the connection is given back.
            PgTransactionManager::start_rollback(&mut self.conn);
        }
    }
}
