//! The pool of a role, and the connections that it lends.
//!
//! Invariant: a connection handed out is outside any transaction, and nothing that was begun on it still
//! runs. sqlx takes one back whose `BEGIN` was sent but not yet answered when its future was dropped, so
//! [`crate::begin`] is never left half-way.
//!
//! sqlx asks the server once more whenever it takes a connection back, since it cannot know whether what
//! was done on it has ended. Here that is often known: then the connection is kept warm, and the next
//! statement has it without a question and without a task ([`Warm`]).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use futures::future::{BoxFuture, TryFutureExt as _};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::history::History;
use crate::warm::{Resting, Warm};

/// One connection, whoever owns it.
pub type Connection = PgConnection;

/// A pool of connections of one role; clones are the same pool.
///
/// A statement that is given to the pool itself arrives whole, however many rows it has.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: PgPool,
    /// As many as connections: who holds one never waits for what rests.
    permits: Arc<Semaphore>,
    warm: Arc<Warm>,
    history: Option<Arc<History>>,
}

impl Pool {
    pub(crate) fn over(inner: PgPool, history: Option<Arc<History>>) -> Self {
        let warm = Arc::new(Warm::new(inner.clone(), history.clone()));
        let most = inner.options().get_max_connections() as usize;
        Self(Arc::new(Shared {
            inner,
            permits: Arc::new(Semaphore::new(most)),
            warm,
            history,
        }))
    }

    /// What is known of the history of its database, if the pool was opened with one.
    #[must_use]
    pub fn history(&self) -> Option<&Arc<History>> {
        self.0.history.as_ref()
    }

    /// A connection, as soon as one is free.
    ///
    /// # Errors
    /// None is free within the time that the pool was opened with, or none can be opened.
    pub async fn acquire(&self) -> sqlx::Result<PoolConnection> {
        let Shared { inner, warm, .. } = &*self.0;
        let permit = match self.0.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.permit().await?,
        };
        let lent = match warm.take() {
            Some(resting) => resting,
            None => Resting {
                conn: inner.acquire().await?,
                proved: Instant::now(),
            },
        };
        Ok(PoolConnection {
            lent: Some(lent),
            warm: warm.clone(),
            settled: false,
            _permit: permit,
        })
    }

    async fn permit(&self) -> sqlx::Result<OwnedSemaphorePermit> {
        let patience = self.0.inner.options().get_acquire_timeout();
        let permit = self.0.permits.clone().acquire_owned();
        match tokio::time::timeout(patience, permit).await {
            Ok(permit) => permit.map_err(|_| sqlx::Error::PoolClosed),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Most connections that it opens.
    #[must_use]
    pub fn max_connections(&self) -> u32 {
        self.0.inner.options().get_max_connections()
    }

    /// What it opens connections with.
    #[must_use]
    pub fn connect_options(&self) -> Arc<PgConnectOptions> {
        self.0.inner.connect_options()
    }

    /// From now on connections are opened with these.
    pub fn set_connect_options(&self, options: PgConnectOptions) {
        self.0.inner.set_connect_options(options);
    }

    /// Lends nothing any more; resolves when all connections are back and closed.
    pub async fn close(&self) {
        let closed = self.0.inner.close();
        self.0.warm.clear();
        closed.await;
    }
}

/// A pool that others have opened, without a history.
impl From<PgPool> for Pool {
    fn from(inner: PgPool) -> Self {
        Self::over(inner, None)
    }
}

impl<'p> Executor<'p> for &'p Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let whole = async move {
            let mut conn = pool.acquire().await?;
            let parts: Vec<_> = conn.fetch_many(query).try_collect().await?;
            conn.settle();
            Ok(stream::iter(parts).map(Ok))
        };
        Box::pin(whole.try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move {
            let mut conn = pool.acquire().await?;
            let row = conn.fetch_optional(query).await?;
            conn.settle();
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Postgres>>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.describe(sql).await })
    }
}

/// A connection out of a pool, given back when it is dropped.
#[derive(Debug)]
pub struct PoolConnection {
    /// None once it was taken out for good.
    lent: Option<Resting>,
    warm: Arc<Warm>,
    settled: bool,
    /// Given back after the connection.
    _permit: OwnedSemaphorePermit,
}

impl PoolConnection {
    /// Says that all that was done on it has ended, well, and outside a transaction: dropped now, it is
    /// kept warm. Whatever is done on it later takes that back.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// Passes on how a read has ended, and settles it if that was well.
    ///
    /// # Errors
    /// The read's own.
    pub fn settled_by<T, E>(mut self, read: Result<T, E>) -> Result<T, E> {
        if read.is_ok() {
            self.settle();
        }
        read
    }

    /// Closes it when it is dropped, instead of giving it back.
    pub fn close_on_drop(&mut self) {
        self.settled = false;
        if let Some(lent) = &mut self.lent {
            lent.conn.close_on_drop();
        }
    }
}

const LENT: &str = "taken out only by its drop";

impl Deref for PoolConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.lent.as_ref().expect(LENT).conn
    }
}

impl DerefMut for PoolConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.settled = false;
        &mut self.lent.as_mut().expect(LENT).conn
    }
}

impl Drop for PoolConnection {
    fn drop(&mut self) {
        if self.settled
            && let Some(lent) = self.lent.take()
        {
            self.warm.put(lent);
        }
    }
}
