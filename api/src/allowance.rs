//! Passes of the rate limit, taken from the database in small packs by whoever asks a lot.
//!
//! Invariant: in any window w, over all replicas, at most burst + w / emission interval requests of
//! a key pass. A pack is accounted for when it is taken and is good for [`LIFE`] only; the burst is
//! shortened by what may pass that much later.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use certmill_coordination::limiter::{Admission, GcraLimit, take_many};
use certmill_pg::Pool;

/// How long a pack is good for.
const LIFE: Duration = Duration::from_millis(100);
/// Most passes in a pack.
const PACK_MOST: u32 = 64;
/// Keys that are remembered at once; beyond, those whose packs are over are forgotten.
const KEYS_MOST: usize = 4096;

/// What this replica holds of each key.
#[derive(Default)]
pub(crate) struct Allowance(Mutex<HashMap<String, Pack>>);

#[derive(Clone, Copy)]
struct Pack {
    left: u32,
    /// How many were taken at once; doubles while packs are used up in time.
    size: u32,
    taken: Instant,
}

impl Pack {
    fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.taken) < LIFE
    }

    fn holds_passes(&self, now: Instant) -> bool {
        self.left > 0 && self.is_live(now)
    }
}

impl Allowance {
    /// Takes one pass of `key`, out of the pack at hand or with a new one.
    ///
    /// # Errors
    /// The limiter's.
    pub(crate) async fn take(
        &self,
        pool: &Pool,
        key: &str,
        limit: GcraLimit,
    ) -> certmill_coordination::Result<Admission> {
        let now = Instant::now();
        let size = match self.at_hand(key, now) {
            None => return Ok(Admission::Allowed),
            Some(size) => size.min(largest(limit)),
        };
        let shortened = match largest(limit) {
            1 => limit,
            _ => GcraLimit {
                burst: limit.burst.saturating_sub(late(limit)),
                ..limit
            },
        };
        let mut answer = take_many(pool, key, shortened, size).await?;
        let mut taken = size;
        if size > 1 && answer != Admission::Allowed {
            taken = 1;
            answer = take_many(pool, key, shortened, 1).await?;
        }
        if answer == Admission::Allowed {
            let pack = Pack {
                left: taken - 1,
                size: taken,
                taken: now,
            };
            self.keep(key, pack, Instant::now());
        }
        Ok(answer)
    }

    /// `None` if a pass was at hand and is taken; else the size that the next pack should have.
    fn at_hand(&self, key: &str, now: Instant) -> Option<u32> {
        let mut packs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pack) = packs.get_mut(key) else {
            return Some(1);
        };
        if !pack.is_live(now) {
            return Some(
                if pack.left == 0 {
                    pack.size
                } else {
                    pack.size / 2
                }
                .max(1),
            );
        }
        if pack.left > 0 {
            pack.left -= 1;
            return None;
        }
        Some(pack.size.saturating_mul(2).min(PACK_MOST))
    }

    /// Keeps a new pack. Who asked at the same time may have brought another one, whose passes were
    /// accounted for as well: they are put together, and none is good for longer than it was.
    fn keep(&self, key: &str, mut pack: Pack, now: Instant) {
        let mut packs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if packs.len() >= KEYS_MOST {
            packs.retain(|_, pack| pack.is_live(now));
        }
        if let Some(other) = packs.get(key).filter(|other| other.holds_passes(now)) {
            if !pack.holds_passes(now) {
                return;
            }
            pack.left = pack.left.saturating_add(other.left);
            pack.size = pack.size.max(other.size);
            pack.taken = pack.taken.min(other.taken);
        }
        packs.insert(key.to_owned(), pack);
    }
}

/// Passes that can come from a pack after the window in which they were accounted for.
fn late(limit: GcraLimit) -> u32 {
    let interval = limit.emission_interval.as_nanos().max(1);
    u32::try_from(LIFE.as_nanos() / interval).unwrap_or(u32::MAX)
}

/// A pack never holds more than what comes back within its life, nor a tenth of the burst. Limits that
/// are small, or whose burst is soon over, are exact: a pass at a time.
fn largest(limit: GcraLimit) -> u32 {
    if late(limit) > limit.burst / 2 {
        return 1;
    }
    late(limit).min(limit.burst / 10).clamp(1, PACK_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(rate_per_s: u32, burst: u32) -> GcraLimit {
        GcraLimit {
            emission_interval: Duration::from_secs(1) / rate_per_s,
            burst,
        }
    }

    fn pack(left: u32, size: u32, taken: Instant) -> Pack {
        Pack { left, size, taken }
    }

    #[test]
    fn small_limits_are_taken_pass_by_pass() {
        assert_eq!(largest(limit(1, 3)), 1);
        assert_eq!(largest(limit(20, 1000)), 2);
        assert_eq!(largest(limit(1000, 2000)), PACK_MOST);
        assert_eq!(
            largest(limit(1000, 5)),
            1,
            "a pack must not use up the burst"
        );
    }

    #[test]
    fn a_pack_is_used_up_or_lapses() {
        let (allowance, now) = (Allowance::default(), Instant::now());
        assert_eq!(
            allowance.at_hand("k", now),
            Some(1),
            "the first pass comes alone"
        );
        allowance.keep("k", pack(1, 2, now), now);
        assert_eq!(allowance.at_hand("k", now), None);
        assert_eq!(allowance.at_hand("k", now), Some(4), "used up in time");
        assert_eq!(allowance.at_hand("other", now), Some(1));
        allowance.keep("k", pack(8, 16, now), now);
        assert_eq!(
            allowance.at_hand("k", now + LIFE),
            Some(8),
            "what is left is lost"
        );
    }

    #[test]
    fn packs_that_were_taken_at_the_same_time_are_put_together() {
        let (allowance, first) = (Allowance::default(), Instant::now());
        let (second, late) = (first + LIFE / 4, first + LIFE * 3 / 4);
        let left = |now| {
            let taken = (0..100).take_while(|_| allowance.at_hand("k", now).is_none());
            taken.count()
        };
        allowance.keep("k", pack(7, 8, second), second);
        allowance.keep("k", pack(3, 4, first), second);
        assert_eq!(left(late), 10, "what was accounted for passes");
        assert_eq!(
            allowance.at_hand("k", late),
            Some(16),
            "as after the larger"
        );

        allowance.keep("k", pack(7, 8, first), second);
        allowance.keep("k", pack(7, 8, second), second);
        assert_eq!(
            left(first + LIFE),
            0,
            "none lives longer than it was good for"
        );

        let then = first + LIFE;
        allowance.keep("k", pack(5, 8, then), then);
        allowance.keep("k", pack(0, 1, then), then);
        allowance.keep("k", pack(9, 16, first), then);
        assert_eq!(left(then), 5, "nothing comes of an empty or lapsed one");
    }
}
