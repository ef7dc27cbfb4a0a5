//! Signed answers of the last seconds, so that a crowd that asks one thing costs one signature.
//!
//! Invariant: an answer is at most [`LIFE`] old and never one with a nonce; the number is bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::reply::Freshness;

const LIFE: Duration = Duration::from_secs(3);
const MOST: usize = 1024;

/// A signed answer with how long others may keep it.
pub(super) type Signed = (Bytes, Freshness);

/// Answers by the certificates that were asked for.
#[derive(Default)]
pub(super) struct Answers(Mutex<HashMap<Vec<u8>, (Instant, Signed)>>);

impl Answers {
    pub(super) fn recall(&self, key: &[u8], now: Instant) -> Option<Signed> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, signed) = known.get(key)?;
        (now.saturating_duration_since(*asked) < LIFE).then(|| signed.clone())
    }

    /// `asked` is the moment before the database was.
    pub(super) fn remember(&self, key: Vec<u8>, asked: Instant, signed: Signed) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (at, _)| at.elapsed() < LIFE);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (asked, signed));
    }
}
