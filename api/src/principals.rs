//! Remembers for two seconds who sent which key, so that a busy client costs one look a while.
//!
//! Invariant: an entry is older than [`LIFE`] never, so a revoked key stops working within 5 s;
//! keys themselves are not kept, only their hashes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use certmill_crypto::digest::sha256;
use certmill_service::{Caller, Context, Error, admin_key};

const LIFE: Duration = Duration::from_secs(2);
/// Only valid keys get in; with more of them at once the oldest knowledge is dropped.
const MOST: usize = 4096;

type Hash = [u8; 32];

/// Known principals by the hash of their keys.
#[derive(Default)]
pub(crate) struct Principals(Mutex<HashMap<Hash, (Caller, Instant)>>);

impl Principals {
    /// Who sent this key; `None` for one that is not valid.
    pub(crate) async fn of(
        &self,
        context: &Context,
        bearer: &str,
    ) -> Result<Option<Caller>, Error> {
        let hash = sha256(bearer.as_bytes());
        if let Some(caller) = self.recall(&hash, Instant::now()) {
            return Ok(Some(caller));
        }
        // The instant before the look: what was revoked meanwhile must not live longer.
        let asked = Instant::now();
        let found = admin_key::authenticate(&context.pool, bearer).await?;
        if let Some(caller) = &found {
            self.remember(hash, caller.clone(), asked);
        }
        Ok(found)
    }

    fn recall(&self, hash: &Hash, now: Instant) -> Option<Caller> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (caller, asked) = known.get(hash)?;
        (now.saturating_duration_since(*asked) < LIFE).then(|| caller.clone())
    }

    fn remember(&self, hash: Hash, caller: Caller, asked: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (_, at)| at.elapsed() < LIFE);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash, (caller, asked));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn knowledge_ends_after_two_seconds() {
        let principals = Principals::default();
        let asked = Instant::now();
        principals.remember([1; 32], Caller::system("test"), asked);
        assert!(
            principals
                .recall(&[1; 32], asked + Duration::from_millis(1_900))
                .is_some()
        );
        assert!(principals.recall(&[1; 32], asked + LIFE).is_none());
        assert!(principals.recall(&[2; 32], asked).is_none());
    }
}
