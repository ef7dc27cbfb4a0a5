//! What the suite reads from the tables, and sets in them.
#![allow(
    clippy::disallowed_methods,
    reason = "the suite asks the database directly"
)]

use anyhow::Result;
use certmill_pg::Pool;
use time::Duration;

/// Makes so many issued certificates of the issuer's profile from the one that was asked for: a tenth
/// has a twentieth of its life left, a third a fifth, the others half. None is due yet.
pub(super) async fn copy(pool: &Pool, issuer: &str, many: i64, life: Duration) -> Result<()> {
    let sql = "INSERT INTO certificate (team_id, name, names, profile_id, issuer_id, key_source, csr_der, \
                   spki_sha256, status, generation, not_after, renew_at) \
               SELECT c.team_id, 'u' || u.class || '-' || n || '.' || i.name || '.example.com', \
                   ARRAY['u' || u.class || '-' || n || '.' || i.name || '.example.com'], p.id, i.id, 'csr', \
                   c.csr_der, c.spki_sha256, 'issued', 1, \
                   now() + $3 * (ARRAY[0.05, 0.2, 0.5])[u.class + 1], now() \
               FROM (SELECT * FROM certificate WHERE key_source = 'csr' LIMIT 1) c \
               CROSS JOIN generate_series(1, $2) n \
               CROSS JOIN LATERAL (SELECT CASE WHEN n % 10 = 0 THEN 0 WHEN n % 3 = 0 THEN 1 ELSE 2 END AS class) u \
               JOIN issuer i ON i.name = $1 JOIN profile p ON p.issuer_id = i.id \
               ORDER BY hashint8(n)";
    sqlx::query(sql)
        .bind(issuer)
        .bind(many)
        .bind(life)
        .execute(pool)
        .await?;
    Ok(())
}

/// All copies are due now.
pub(super) async fn fall_due(pool: &Pool) -> Result<()> {
    let sql = "UPDATE certificate SET sweep_at = clock_timestamp() WHERE name LIKE 'u_-%'";
    sqlx::query(sql).execute(pool).await?;
    Ok(())
}

/// How many of the issuer that answers are renewed.
pub(super) async fn renewed(pool: &Pool) -> Result<i64> {
    let sql = "SELECT count(*) FROM certificate c JOIN issuer i ON i.id = c.issuer_id \
               WHERE i.name = 'far' AND c.generation = 2";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}
