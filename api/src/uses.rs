//! Notes which keys were used, and writes it down now and then.
//!
//! Invariant: no request waits for a write; a key's row is written at most once a minute over all
//! replicas, and a replica that is killed loses at most what it noted since its last round.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use certmill_domain::ids::ApiKeyId;
use certmill_pg::Pool;
use certmill_service::keys;
use certmill_tasks::{JitterPercent, JitteredTicker, Shutdown};
use tokio::time::Instant;

use crate::app::App;

const ROUND: Duration = Duration::from_secs(15);
/// A round in which more keys are used loses the rest; they will be used again.
const MOST: usize = 4096;

/// Keys that were used since the last round, with the instant of their last use.
#[derive(Default)]
pub(crate) struct Uses(Mutex<HashMap<ApiKeyId, Instant>>);

impl Uses {
    /// Notes a use just now.
    pub(crate) fn note(&self, key: ApiKeyId) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MOST || noted.contains_key(&key) {
            noted.insert(key, Instant::now());
        }
    }

    /// Writes what was noted; what cannot be written is noted again for the next round.
    async fn write(&self, pool: &Pool) {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.is_empty() {
            return;
        }
        let uses: Vec<(ApiKeyId, Duration)> =
            noted.iter().map(|(key, at)| (*key, at.elapsed())).collect();
        if let Err(error) = keys::mark_used(pool, &uses).await {
            tracing::warn!(event = "key_uses_not_written", %error, "tried again in {} s", ROUND.as_secs());
            let mut newer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, at) in noted {
                newer.entry(key).or_insert(at);
            }
        }
    }
}

/// Writes again and again, and a last time when the shutdown is asked for.
pub(crate) async fn keep_written(app: App, shutdown: Shutdown) {
    let uses = app.principals.uses();
    let mut ticker = JitteredTicker::new(ROUND, JitterPercent::default()).until(&shutdown);
    while ticker.tick().await.is_some() {
        uses.write(&app.context.pool).await;
    }
    uses.write(&app.context.pool).await;
}
