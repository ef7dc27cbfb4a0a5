//! What jobs came to by the hour: it outlives their history.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_domain::ids::TeamId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::Result;

/// Jobs of one kind that ended alike within an hour.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct JobHour {
    /// The hour's beginning.
    pub hour: OffsetDateTime,
    /// The kind.
    pub kind: String,
    /// `completed`, `discarded` or `cancelled`.
    pub result: String,
    /// How many.
    pub jobs: i64,
    /// Due until claimed, summed up in seconds.
    pub waited_s: f64,
    /// Claimed until ended, summed up in seconds.
    pub ran_s: f64,
}

/// Counts the jobs that ended in the hour that begins at `hour`, anew where it was counted before.
///
/// # Errors
/// The database's.
pub async fn count(conn: &mut PgConnection, hour: OffsetDateTime) -> Result<()> {
    sqlx::query(
        "INSERT INTO job_hour (hour, team_id, kind, outcome, jobs, waited_s, ran_s) \
         SELECT $1, team_id, kind, outcome, count(*), \
             coalesce(sum(extract(epoch FROM greatest(claimed_at - run_at, interval '0'))), 0), \
             coalesce(sum(extract(epoch FROM finalized_at - claimed_at)), 0) \
         FROM job_history WHERE finalized_at >= $1 AND finalized_at < $1 + interval '1 hour' \
         GROUP BY team_id, kind, outcome \
         ON CONFLICT (hour, team_id, kind, outcome) DO UPDATE \
         SET jobs = excluded.jobs, waited_s = excluded.waited_s, ran_s = excluded.ran_s",
    )
    .bind(hour)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets hours that are older than 400 days, so that a year can be compared with the one before.
///
/// # Errors
/// The database's.
pub async fn forget_old(conn: &mut PgConnection) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM job_hour WHERE hour < now() - interval '400 days'")
        .execute(conn)
        .await?;
    Ok(gone.rows_affected())
}

/// The hours of a team since then, the oldest first.
///
/// # Errors
/// The database's.
pub async fn since(
    conn: &mut PgConnection,
    team: TeamId,
    since: OffsetDateTime,
) -> Result<Vec<JobHour>> {
    Ok(sqlx::query_as(
        "SELECT hour, kind, jobs, waited_s, ran_s, \
             CASE outcome WHEN 2 THEN 'completed' WHEN 3 THEN 'discarded' ELSE 'cancelled' END AS result \
         FROM job_hour \
         WHERE hour >= $2 AND team_id = $1 ORDER BY hour, kind, outcome",
    )
    .bind(team.0)
    .bind(since)
    .fetch_all(conn)
    .await?)
}
