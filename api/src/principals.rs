//! Remembers for two seconds who sent which key, so that a busy client costs one look a while.
//!
//! Invariant: whoever is let in held a key that the database called valid at most
//! [`LONGEST_LOOK`] before, so a revoked key stops within 5 s, and an expired one at its end. Life
//! is counted from the instant before the look, and never extended: a database that answers
//! slowly or not at all makes it shorter. Keys themselves are not kept, only their hashes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use certmill_crypto::digest::sha256;
use certmill_domain::ids::ApiKeyId;
use certmill_service::keys::{self, Principal, Proof};
use certmill_service::{Context, Error as Refusal};
use tokio::time::{Instant, timeout};

use crate::Error;
use crate::uses::Uses;

const LIFE: Duration = Duration::from_secs(2);
/// An answer that took longer says what was true too long ago.
const LONGEST_LOOK: Duration = Duration::from_secs(3);
/// Only valid keys get in; with more of them at once the oldest knowledge is dropped.
const MOST: usize = 4096;

type Hash = [u8; 32];

struct Known {
    principal: Principal,
    until: Instant,
}

/// Known principals by the hash of their keys.
#[derive(Default)]
pub(crate) struct Principals {
    known: Mutex<HashMap<Hash, Known>>,
    uses: Uses,
}

impl Principals {
    /// Who sent this key.
    pub(crate) async fn of(&self, context: &Context, bearer: &str) -> Result<Proof, Error> {
        self.find(bearer, keys::authenticate(&context.pool, bearer))
            .await
    }

    /// Forgets a key that was just ended through this replica.
    pub(crate) fn forget(&self, key: ApiKeyId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, entry| entry.principal.key != key);
    }

    /// The keys that were looked up, for the note of their last use.
    pub(crate) fn uses(&self) -> &Uses {
        &self.uses
    }

    async fn find(
        &self,
        bearer: &str,
        look: impl Future<Output = Result<Proof, Refusal>>,
    ) -> Result<Proof, Error> {
        let hash = sha256(bearer.as_bytes());
        if let Some(principal) = self.recall(&hash) {
            return Ok(Proof::Valid(principal));
        }
        // The instant before the look: what was revoked meanwhile must not live longer.
        let asked = Instant::now();
        let proof = timeout(LONGEST_LOOK, look)
            .await
            .map_err(|_| Error::database("the API key was not checked in time"))??;
        if let Proof::Valid(principal) = &proof {
            self.uses.note(principal.key);
            self.remember(hash, principal.clone(), asked);
        }
        Ok(proof)
    }

    fn recall(&self, hash: &Hash) -> Option<Principal> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(hash)?;
        (Instant::now() < entry.until).then(|| entry.principal.clone())
    }

    fn remember(&self, hash: Hash, principal: Principal, asked: Instant) {
        // What is left of the key was told after `asked`, so counting from there errs to the safe
        // side.
        let life = principal.left.map_or(LIFE, |left| left.min(LIFE));
        let until = asked + life;
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, entry| now < entry.until);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash, Known { principal, until });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use certmill_service::Caller;
    use tokio::time::{advance, sleep};
    use uuid::Uuid;

    fn proof(left: Option<Duration>) -> Result<Proof, Refusal> {
        Ok(Proof::Valid(Principal {
            key: ApiKeyId(Uuid::from_u128(7)),
            caller: Caller::system("test"),
            left,
        }))
    }

    fn is_valid(proof: Result<Proof, Error>) -> bool {
        matches!(proof.unwrap(), Proof::Valid(_))
    }

    /// Whether the key is remembered: a look that answers "refused" shows that it is not.
    async fn is_known(principals: &Principals) -> bool {
        is_valid(principals.find("key", async { Ok(Proof::Refused) }).await)
    }

    #[tokio::test(start_paused = true)]
    async fn knowledge_ends_after_two_seconds_or_with_the_key() {
        let principals = Principals::default();
        assert!(!is_known(&principals).await);
        for (left, life) in [
            (None, LIFE),
            (Some(Duration::from_secs(60)), LIFE),
            (Some(Duration::from_millis(300)), Duration::from_millis(300)),
        ] {
            assert!(is_valid(
                principals.find("key", async { proof(left) }).await
            ));
            advance(life - Duration::from_millis(1)).await;
            assert!(is_known(&principals).await, "{left:?}");
            advance(Duration::from_millis(1)).await;
            assert!(!is_known(&principals).await, "{left:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_look_shortens_the_life_of_its_answer() {
        let principals = Principals::default();
        let slow = async {
            sleep(Duration::from_millis(1_500)).await;
            proof(None)
        };
        assert!(is_valid(principals.find("key", slow).await));
        advance(Duration::from_millis(499)).await;
        assert!(is_known(&principals).await);
        advance(Duration::from_millis(1)).await;
        assert!(!is_known(&principals).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_took_too_long_lets_nobody_in() {
        let principals = Principals::default();
        let stalled = async {
            sleep(LONGEST_LOOK + Duration::from_millis(1)).await;
            proof(None)
        };
        assert!(principals.find("key", stalled).await.is_err());
        assert!(!is_known(&principals).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_away_extends_no_life() {
        let principals = Principals::default();
        let away = || async { Err(Refusal::Crypto("away".to_owned())) };
        assert!(is_valid(
            principals.find("key", async { proof(None) }).await
        ));
        advance(LIFE - Duration::from_millis(1)).await;
        assert!(is_valid(principals.find("key", away()).await));
        advance(Duration::from_millis(1)).await;
        assert!(principals.find("key", away()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_ended_here_is_forgotten_at_once() {
        let principals = Principals::default();
        assert!(is_valid(
            principals.find("key", async { proof(None) }).await
        ));
        principals.forget(ApiKeyId(Uuid::from_u128(8)));
        assert!(is_known(&principals).await);
        principals.forget(ApiKeyId(Uuid::from_u128(7)));
        assert!(!is_known(&principals).await);
    }
}
