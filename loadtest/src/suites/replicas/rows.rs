//! What the suite reads from the tables, and sets in them.
#![allow(
    clippy::disallowed_methods,
    reason = "the suite asks the database directly"
)]

use anyhow::{Context as _, Result};
use certmill_pg::Pool;
use sqlx::AssertSqlSafe;

/// Lists of the certificates of this suite, as SQL.
const OURS: &str = "name LIKE '%.sweep.load.example.com'";

/// The name of the process that leads, and its epoch.
pub async fn leader(pool: &Pool) -> Result<Option<(String, i64)>> {
    let sql = "SELECT label, epoch FROM leader \
               WHERE holder IS NOT NULL AND expires_at > clock_timestamp()";
    Ok(sqlx::query_as(sql).fetch_optional(pool).await?)
}

/// Makes all certificates of this suite due; the generation that they will have.
pub async fn fall_due(pool: &Pool) -> Result<i32> {
    let sql = format!("UPDATE certificate SET sweep_at = clock_timestamp() WHERE {OURS}");
    sqlx::query(AssertSqlSafe(sql)).execute(pool).await?;
    let sql = format!("SELECT max(generation) + 1 FROM certificate WHERE {OURS}");
    let next: Option<i32> = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(pool)
        .await?;
    next.context("there are no certificates")
}

/// How many have reached this generation.
pub async fn renewed(pool: &Pool, generation: i32) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM certificate WHERE {OURS} AND generation = $1");
    let sql = sqlx::query_scalar(AssertSqlSafe(sql)).bind(generation);
    Ok(sql.fetch_one(pool).await?)
}

/// From the claim of the newest sweep that took something to the end of the last renewal.
pub async fn sweep_to_last_s(pool: &Pool) -> Result<f64> {
    let sql = "WITH sweep AS (SELECT id, claimed_at FROM job_history \
                   WHERE kind = 'renewal_sweep' AND outcome = 2 AND (result ->> 'taken')::int > 0 \
                   ORDER BY id DESC LIMIT 1) \
               SELECT extract(epoch FROM max(h.finalized_at) - min(s.claimed_at))::float8 \
               FROM job_history h JOIN sweep s ON h.id > s.id WHERE h.kind = 'issue' AND h.outcome = 2";
    let took: Option<f64> = sqlx::query_scalar(sql).fetch_one(pool).await?;
    took.context("no sweep took anything")
}

/// Durations in milliseconds of the sweeps after this one that took so many.
pub async fn sweeps_ms(pool: &Pool, after: i64, taken: i32) -> Result<Vec<f64>> {
    let sql = "SELECT extract(epoch FROM finalized_at - claimed_at)::float8 * 1000 FROM job_history \
               WHERE kind = 'renewal_sweep' AND outcome = 2 AND id > $1 \
                 AND (result ->> 'taken')::int = $2 ORDER BY id";
    let sql = sqlx::query_scalar(sql).bind(after).bind(taken);
    Ok(sql.fetch_all(pool).await?)
}

/// The newest sweep that has ended.
pub async fn newest_sweep(pool: &Pool) -> Result<i64> {
    let sql = "SELECT coalesce(max(id), 0) FROM job_history WHERE kind = 'renewal_sweep'";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Fills the table up to `whole` certificates that are due in a month, copies of one of ours.
pub async fn fill_up(pool: &Pool, whole: i64) -> Result<()> {
    let sql = "INSERT INTO certificate (team_id, name, names, profile_id, issuer_id, key_source, csr_der, \
                   spki_sha256, status, generation, not_after, renew_at, sweep_at) \
               SELECT c.team_id, 'fill' || n, c.names, c.profile_id, c.issuer_id, 'csr', c.csr_der, \
                   c.spki_sha256, 'issued', 1, now() + interval '60 days', now() + interval '30 days', \
                   now() + interval '30 days' \
               FROM (SELECT * FROM certificate WHERE key_source = 'csr' LIMIT 1) c \
               CROSS JOIN generate_series((SELECT count(*) FROM certificate) + 1, $1) n";
    sqlx::query(sql).bind(whole).execute(pool).await?;
    sqlx::query("VACUUM ANALYZE certificate")
        .execute(pool)
        .await?;
    Ok(())
}

/// Nothing is claimed from the lanes of issuers from now on.
pub async fn pause_issuers(pool: &Pool) -> Result<()> {
    let sql = "UPDATE lane SET paused_at = now() WHERE name IN (SELECT lane FROM issuer)";
    sqlx::query(sql).execute(pool).await?;
    Ok(())
}

/// Takes away what waits in the lanes of issuers, with its orders.
pub async fn forget_renewals(pool: &Pool) -> Result<()> {
    for sql in [
        "DELETE FROM job WHERE kind = 'issue' AND state = 0",
        "UPDATE cert_order SET state = 'abandoned' WHERE state = 'planned'",
    ] {
        sqlx::query(sql).execute(pool).await?;
    }
    Ok(())
}

/// No chore is claimed from now on.
pub async fn pause_chores(pool: &Pool) -> Result<()> {
    certmill_queue::lane::pause_kind(
        &mut *pool.acquire().await?,
        "chore",
        certmill_queue::lane::Pause { reason: None },
    )
    .await?;
    Ok(())
}

/// Makes every certificate due that renews itself; how many those are.
pub async fn all_fall_due(pool: &Pool) -> Result<u64> {
    let sql = "UPDATE certificate SET sweep_at = clock_timestamp() WHERE auto_renew";
    Ok(sqlx::query(sql).execute(pool).await?.rows_affected())
}

/// How many jobs may wait for the issuer of this lane.
pub async fn backlog_max(pool: &Pool, lane: &str) -> Result<f64> {
    let sql = "SELECT max(backlog_max)::float8 FROM issuer WHERE lane = $1";
    Ok(sqlx::query_scalar(sql).bind(lane).fetch_one(pool).await?)
}

/// How many jobs wait in this lane.
pub async fn waiting(pool: &Pool, lane: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM job WHERE queue = $1 AND state = 0";
    Ok(sqlx::query_scalar(sql).bind(lane).fetch_one(pool).await?)
}

/// How many renewals have ended.
pub async fn renewals_ended(pool: &Pool) -> Result<i64> {
    let sql = "SELECT count(*) FROM job_history WHERE kind = 'issue' AND outcome = 2";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Makes so many of the copies due.
pub async fn copies_fall_due(pool: &Pool, many: i32) -> Result<()> {
    let sql = "UPDATE certificate SET sweep_at = clock_timestamp() WHERE id = ANY (ARRAY( \
                   SELECT id FROM certificate WHERE name LIKE 'fill%' ORDER BY random() LIMIT $1))";
    sqlx::query(sql).bind(many).execute(pool).await?;
    Ok(())
}
