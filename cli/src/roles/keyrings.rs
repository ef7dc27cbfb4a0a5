//! The keyrings of a running role: loaded at the start, looked at again while it runs.
//!
//! Invariant: a role that is ready holds every key that its database was written with, and has said
//! so in the database before it was compared.

use std::sync::Arc;
use std::time::Duration;

use certmill_crypto::seal::{Kek, LiveKeyring};
use certmill_pg::Pool;
use certmill_service::keks::Holding;
use certmill_settings::Settings;
use certmill_tasks::{JitterPercent, JitteredTicker, Tasks};

use super::key_files::KeyFiles;
use super::refusal;
use crate::failure::Failure;

/// Reports of so many periods count before a silent process is taken for dead.
const PERIODS: u32 = 3;
/// What a report counts beyond its periods: a busy database must not make a process look dead.
const SLACK: Duration = Duration::from_secs(5);

/// Holds `loaded`, the keys of these files, until the group ends.
pub(super) async fn hold(
    settings: &Settings,
    tasks: &Tasks,
    pool: &Pool,
    files: KeyFiles,
    loaded: Vec<Arc<Kek>>,
) -> Result<Arc<LiveKeyring>, Failure> {
    let period = settings.kek_poll;
    let mut holding = Holding::begin(
        pool.clone(),
        files.purpose,
        settings.role.as_str(),
        &settings.worker.name,
        period * PERIODS + SLACK,
        loaded,
    )
    .await
    .map_err(refusal::service)?;
    let live = holding.live();
    let shutdown = tasks.shutdown_token();
    tasks.spawn_essential(format!("keyring {}", files.purpose), async move {
        let mut ticker = JitteredTicker::new(period, JitterPercent::default()).until(&shutdown);
        while ticker.tick().await.is_some() {
            if let Err(why) = holding.refresh(&files.reload()).await {
                tracing::warn!(event = "keyring_not_refreshed", purpose = files.purpose, %why);
            }
        }
        holding.withdraw().await;
    });
    Ok(live)
}
