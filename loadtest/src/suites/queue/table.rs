//! Our own table of jobs: its lane, how it is filled, and whether all of it arrived in the history.
//!
//! Invariant: history and jobs agree at the end, or the measurement fails.
#![allow(
    clippy::disallowed_methods,
    reason = "the load test fills the table itself"
)]

use anyhow::{Result, ensure};

use super::noop_worker::KIND;
use crate::rig::Rig;

/// Makes the lane of the no-op jobs.
///
/// # Errors
/// The database's.
pub async fn declare_lane(rig: &Rig) -> Result<()> {
    sqlx::query("INSERT INTO lane (name) VALUES ($1)")
        .bind(KIND)
        .execute(rig.database.pool())
        .await?;
    Ok(())
}

/// Empties jobs and history.
///
/// # Errors
/// The database's.
pub async fn start_over(rig: &Rig) -> Result<()> {
    sqlx::query("TRUNCATE job, job_history")
        .execute(rig.database.pool())
        .await?;
    Ok(())
}

/// Fills the table, and leaves it as after a vacuum and a checkpoint.
///
/// # Errors
/// The database's.
pub async fn fill(rig: &Rig, jobs: usize) -> Result<()> {
    start_over(rig).await?;
    add(rig, jobs, 0).await?;
    rig.database.settle().await
}

/// Adds jobs that are due in `hours`: at once with the usual priority, later with the first, which
/// a claim has to pass.
///
/// # Errors
/// The database's.
pub async fn add(rig: &Rig, jobs: usize, hours: i32) -> Result<()> {
    sqlx::query(
        "INSERT INTO job (team_id, queue, kind, priority, run_at, args)
         SELECT 1, $1, $1, CASE $3 WHEN 0 THEN 2 ELSE 0 END, now() + make_interval(hours => $3),
                jsonb_build_object('n', n)
         FROM generate_series(1, $2) n",
    )
    .bind(KIND)
    .bind(i32::try_from(jobs)?)
    .bind(hours)
    .execute(rig.database.pool())
    .await?;
    Ok(())
}

/// Proves that no job is live and that each stands in the history.
///
/// # Errors
/// It is not so.
pub async fn all_kept(rig: &Rig, jobs: usize) -> Result<()> {
    let (left, kept): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM job WHERE kind = $1), (SELECT count(*) FROM job_history WHERE kind = $1)",
    )
    .bind(KIND)
    .fetch_one(rig.database.pool())
    .await?;
    ensure!(
        left == 0 && kept == i64::try_from(jobs)?,
        "of {jobs} jobs {left} are left and {kept} are in the history"
    );
    Ok(())
}

/// A process that pgbench claims for.
///
/// # Errors
/// The database's.
pub async fn process_for_pgbench(rig: &Rig) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "INSERT INTO process (role, label, version, lease, expires_at)
         VALUES ('worker', 'pgbench', 'loadtest', '1 h', now() + interval '1 h') RETURNING id",
    )
    .fetch_one(rig.database.pool())
    .await?)
}

/// Makes the table that a worker with effects writes one row a job into; it is emptied where it is
/// there.
///
/// # Errors
/// The database's.
pub async fn declare_effects(rig: &Rig) -> Result<()> {
    let make = "CREATE TABLE IF NOT EXISTS load_effect (job_id bigint NOT NULL);
                TRUNCATE load_effect;
                GRANT INSERT ON load_effect TO certmill_app";
    sqlx::raw_sql(make).execute(rig.database.pool()).await?;
    Ok(())
}

/// A process that runs jobs now.
///
/// # Errors
/// The database's.
pub async fn runner(rig: &Rig) -> Result<Option<i64>> {
    let sql = "SELECT worker_id FROM job WHERE kind = $1 AND state = 1 LIMIT 1";
    let row = sqlx::query_scalar(sql).bind(KIND);
    Ok(row.fetch_optional(rig.database.pool()).await?)
}

/// How many jobs a process runs, as the table has it.
///
/// # Errors
/// The database's.
pub async fn running_at(rig: &Rig, process: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM job WHERE queue = $1 AND state = 1 AND worker_id = $2";
    let count = sqlx::query_scalar(sql).bind(KIND).bind(process);
    Ok(count.fetch_one(rig.database.pool()).await?)
}

/// Jobs of `jobs` that have no effect, more than one, or more than one row of history.
///
/// # Errors
/// The database's.
pub async fn doubled(rig: &Rig, jobs: usize) -> Result<i64> {
    let sql = "SELECT abs($2 - (SELECT count(DISTINCT id) FROM job_history WHERE kind = $1))
                    + abs($2 - (SELECT count(*) FROM load_effect))
                    + abs($2 - (SELECT count(DISTINCT job_id) FROM load_effect))";
    let count = sqlx::query_scalar(sql)
        .bind(KIND)
        .bind(i64::try_from(jobs)?);
    Ok(count.fetch_one(rig.database.pool()).await?)
}
