//! The trust anchors in the data folder, kept as the database has them while the role runs.

use std::path::Path;

use certmill_pg::Pool;
use certmill_service::authorities;
use certmill_settings::Settings;
use certmill_tasks::{JitterPercent, JitteredTicker, Tasks};

use super::{files, refusal};
use crate::failure::Failure;

/// Writes `ca.pem` now, and again whenever an authority is imported, made or retired.
pub(super) async fn keep(settings: &Settings, tasks: &Tasks, pool: &Pool) -> Result<(), Failure> {
    let path = settings.data_dir.join("ca.pem");
    let mut written = write(pool, &path, "").await?;
    let (pool, shutdown, period) = (pool.clone(), tasks.shutdown_token(), settings.kek_poll);
    tasks.spawn("anchors", async move {
        let mut ticker = JitteredTicker::new(period, JitterPercent::default()).until(&shutdown);
        while ticker.tick().await.is_some() {
            match write(&pool, &path, &written).await {
                Ok(anchors) => written = anchors,
                Err(why) => tracing::warn!(event = "anchors_not_written", %why),
            }
        }
    });
    Ok(())
}

async fn write(pool: &Pool, path: &Path, before: &str) -> Result<String, Failure> {
    let anchors = authorities::anchors_pem(pool)
        .await
        .map_err(refusal::service)?;
    if anchors != before {
        files::write_public(path, &anchors)?;
    }
    Ok(anchors)
}
