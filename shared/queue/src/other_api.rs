//! Processes whose API keeps its limits where ours cannot see them: such two must not run at once.
//!
//! Invariant: a process counts as long as its row does, by the database's clock: neither declared
//! dead nor past its lease.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::collections::BTreeMap;
use std::time::Duration;

use certmill_pg::Pool;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::Result;

/// Between two looks at whether another one lives.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Key of the lock that registrations of APIs share ("limits" in ASCII).
const LOCK: i64 = 0x006c_696d_6974_7300;

/// A process with an API that must not run beside another one.
#[derive(Debug, Clone, FromRow)]
pub struct OtherApi {
    /// The id of its row.
    pub id: i64,
    /// The name that people gave it.
    pub label: String,
    /// Where it keeps its limits: `postgres` or `memory`.
    pub limits: String,
    last_beat_at: OffsetDateTime,
}

/// Those that do not go with an API that keeps its limits there: any, if either keeps them in memory.
pub(crate) async fn find(conn: &mut PgConnection, limits: &str) -> Result<Vec<OtherApi>> {
    // An api of an older build says nothing, and keeps them in the database.
    // A lease that ends further off than it can is left from before a step of the clock.
    Ok(sqlx::query_as(
        "SELECT id, label, coalesce(limits, 'postgres') AS limits, last_beat_at FROM process \
         WHERE dead_at IS NULL AND expires_at > clock_timestamp() \
           AND expires_at <= clock_timestamp() + lease \
           AND (limits IS NOT NULL OR role = 'api') AND 'memory' IN ($1, limits) \
         ORDER BY id",
    )
    .bind(limits)
    .fetch_all(conn)
    .await?)
}

/// Lets one registration of an API look and write at a time, until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(conn)
        .await?;
    Ok(())
}

/// Waits until all of them are gone, or one has shown by a beat since the first look that it lives:
/// the row of one that was killed stays until its lease is over.
pub(crate) async fn living(pool: &Pool, limits: &str) -> Result<Option<OtherApi>> {
    let mut first_beats = BTreeMap::new();
    loop {
        let others = {
            let mut conn = pool.acquire().await?;
            find(&mut conn, limits).await?
        };
        if others.is_empty() {
            return Ok(None);
        }
        for other in others {
            match first_beats.get(&other.id) {
                Some(beat) if *beat != other.last_beat_at => return Ok(Some(other)),
                Some(_) => {}
                None => {
                    tracing::info!(
                        event = "waiting_for_another_api",
                        label = %other.label,
                        limits = %other.limits,
                        "another api is in the list of processes; looking whether it lives"
                    );
                    first_beats.insert(other.id, other.last_beat_at);
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
