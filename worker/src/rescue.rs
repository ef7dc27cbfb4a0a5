//! Looks for processes whose lease has run out and hands their jobs out again.

use certmill_pg::{Pool, PoolConnection};
use certmill_queue::ProcessId;
use certmill_queue::rescue::{count, is_due, mark_dead};
use certmill_service::{Error, jobs};
use certmill_tasks::{JitterPercent, JitteredTicker, Shutdown};
use std::time::Duration;

/// Most jobs that one statement hands back.
const STEP_MAX: i32 = 500;

/// Rescues every `period` until the shutdown. The statements guard themselves: a process that was
/// not steady for a whole lease declares nobody dead.
pub(crate) async fn run(pool: Pool, me: ProcessId, period: Duration, shutdown: Shutdown) {
    let mut ticker = JitteredTicker::new(period, JitterPercent::default());
    while shutdown.cut_short(ticker.tick()).await.flatten().is_some() {
        if let Err(error) = once(&pool, me).await {
            tracing::warn!(event = "rescue_failed", %error);
        }
    }
}

async fn once(pool: &Pool, me: ProcessId) -> Result<(), Error> {
    let mut conn = acquire(pool).await?;
    for dead in mark_dead(&mut conn, me).await? {
        tracing::warn!(event = "process_declared_dead", process = dead.0);
    }
    if !is_due(&mut conn).await? {
        return Ok(());
    }
    drop(conn);
    loop {
        let rescued = jobs::rescue(pool, me, STEP_MAX).await?;
        if rescued.total() == 0 {
            return Ok(());
        }
        count(&mut *acquire(pool).await?, me, rescued.total()).await?;
        tracing::warn!(
            event = "jobs_rescued",
            returned = rescued.returned.len(),
            discarded = rescued.discarded.len(),
            cancelled = rescued.cancelled.len(),
        );
    }
}

async fn acquire(pool: &Pool) -> Result<PoolConnection, Error> {
    let conn = pool.acquire().await;
    conn.map_err(|why| Error::Store(why.into()))
}
