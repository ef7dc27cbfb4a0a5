//! Giving back what was claimed and not begun.
//!
//! Invariant: fenced as every other end of a claim; the attempt does not count, since nothing was
//! attempted.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_pg::Pool;

use crate::{Lease, ProcessId, Result};

/// Makes the jobs of one process wait again; answers how many were still its own.
///
/// # Errors
/// The database's.
pub async fn release(pool: &Pool, leases: &[Lease]) -> Result<u64> {
    let Some(owner) = leases.first().map(|lease| lease.process_id) else {
        return Ok(0);
    };
    let released = sqlx::query(include_str!("sql/release.sql"))
        .bind(leases.iter().map(|l| l.job_id.0).collect::<Vec<_>>())
        .bind(leases.iter().map(|l| l.fence).collect::<Vec<_>>())
        .bind(leases.iter().map(|l| l.token).collect::<Vec<_>>())
        .bind(owner.0)
        .execute(pool)
        .await?;
    Ok(released.rows_affected())
}

/// Makes the jobs of a claim wait again whose answer was lost; answers how many there were. None may
/// mean that the claim is still under way: ask again until its statement can no longer run.
///
/// # Errors
/// The database's.
pub async fn release_claim(
    pool: &Pool,
    queue: &str,
    process_id: ProcessId,
    token: i64,
) -> Result<u64> {
    let released = sqlx::query(include_str!("sql/release_claim.sql"))
        .bind(queue)
        .bind(process_id.0)
        .bind(token)
        .execute(pool)
        .await?;
    Ok(released.rows_affected())
}
