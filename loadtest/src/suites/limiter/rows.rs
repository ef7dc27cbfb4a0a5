//! The rows of the limits, as each measurement begins with them.
#![allow(
    clippy::disallowed_methods,
    reason = "the suite fills the table itself"
)]

use anyhow::Result;

use crate::rig::Rig;

/// As many keys as are asked for in turn, at their full burst; the hot key is the first of them.
///
/// # Errors
/// The database's.
pub async fn refill(rig: &Rig, keys: usize) -> Result<()> {
    let pool = rig.database.pool();
    sqlx::query("TRUNCATE api_limit").execute(pool).await?;
    sqlx::query(
        "INSERT INTO api_limit (key, tat) SELECT 'k' || n, now() FROM generate_series(0, $1 - 1) n",
    )
    .bind(i64::try_from(keys)?)
    .execute(pool)
    .await?;
    rig.database.settle().await
}
