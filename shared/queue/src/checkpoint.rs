//! The fenced write in the middle of a job.
//!
//! Invariant: what the caller writes after [`hold`] in the same transaction is written only while
//! the job is still its own.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::PgConnection;

use crate::{Error, Lease, Result};

/// A lease that was proved and is held until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Somebody wants the job cancelled: stop at the next safe point, snooze or fail ends it.
    pub cancel_requested: bool,
}

/// Proves the lease and locks the job's row against rescue until the transaction ends.
///
/// # Errors
/// [`Error::LeaseLost`]: roll back and write nothing. Else the database's.
pub async fn hold(conn: &mut PgConnection, lease: &Lease) -> Result<Held> {
    prove(conn, lease, include_str!("sql/checkpoint.sql")).await
}

/// As [`hold`], and notes that the outside world was asked: from now on the job is claimed from its
/// lane even while that is closed to new ones.
///
/// # Errors
/// As [`hold`].
pub async fn hold_begun(conn: &mut PgConnection, lease: &Lease) -> Result<Held> {
    prove(conn, lease, include_str!("sql/begun.sql")).await
}

async fn prove(conn: &mut PgConnection, lease: &Lease, sql: &'static str) -> Result<Held> {
    let row: Option<bool> = sqlx::query_scalar(sql)
        .bind(lease.job_id.0)
        .bind(lease.fence)
        .bind(lease.token)
        .bind(lease.process_id.0)
        .fetch_optional(conn)
        .await?;
    row.map(|cancel_requested| Held { cancel_requested })
        .ok_or(Error::LeaseLost)
}
