//! Limits that this process keeps alone: those of the memory backend, and the stand-in while the
//! database is away.
//!
//! Invariant: in any window w at most burst + w / emission interval requests of a key pass this
//! process, by its monotonic clock. Of more keys than it can hold it lets none of the new ones pass.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::ruling::{Ask, Denial, Ruling};

/// Keys that are held at once; those at their full burst need no place.
const KEYS_MOST: usize = 65_536;
/// Between two searches for keys that need no place any more.
const SEARCH_EVERY: Duration = Duration::from_millis(100);

/// The buckets by key: the instant at which each is full again.
#[derive(Default)]
pub(super) struct Buckets {
    full_at: HashMap<String, Instant>,
    searched: Option<Instant>,
}

impl Buckets {
    /// Takes one pass of each key, or none.
    pub(super) fn take<const N: usize>(&mut self, asks: &[Ask<'_>; N], now: Instant) -> Ruling<N> {
        self.make_room(now);
        let mut ruling = Ruling {
            denied: None,
            left: [0; N],
        };
        for (nth, ask) in asks.iter().enumerate() {
            let (left, retry_after) = self.look(ask, now);
            ruling.left[nth] = left.saturating_sub(1);
            if let (Some(retry_after), None) = (retry_after, ruling.denied) {
                ruling.denied = Some(Denial { nth, retry_after });
            }
        }
        if ruling.is_allowed() {
            for ask in asks {
                let full_at = self.full_at.get(ask.key).map_or(now, |at| (*at).max(now));
                let next = full_at + ask.limit.emission_interval;
                self.full_at.insert(ask.key.to_owned(), next);
            }
        }
        ruling
    }

    /// How many passes there are, and how long to wait where there is none.
    fn look(&self, ask: &Ask<'_>, now: Instant) -> (u32, Option<Duration>) {
        let every = ask.limit.emission_interval;
        let full_in = match self.full_at.get(ask.key) {
            Some(full_at) => full_at.saturating_duration_since(now),
            None if self.full_at.len() >= KEYS_MOST => return (0, Some(every)),
            None => Duration::ZERO,
        };
        let spare = ask.limit.window().saturating_sub(full_in);
        match ask.limit.fit(spare) {
            0 => (
                0,
                Some((full_in + every).saturating_sub(ask.limit.window())),
            ),
            left => (left, None),
        }
    }

    fn make_room(&mut self, now: Instant) {
        let is_due = self
            .searched
            .is_none_or(|at| now.saturating_duration_since(at) >= SEARCH_EVERY);
        if self.full_at.len() >= KEYS_MOST && is_due {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.searched = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GcraLimit;

    fn ask(key: &str, every_ms: u64, burst: u32) -> Ask<'_> {
        let emission_interval = Duration::from_millis(every_ms);
        Ask {
            key,
            limit: GcraLimit {
                emission_interval,
                burst,
            },
        }
    }

    #[test]
    fn a_burst_passes_then_one_each_interval() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        let mut take = |ms| buckets.take(&[ask("k", 100, 3)], start + Duration::from_millis(ms));
        assert_eq!([take(0).left, take(0).left, take(0).left], [[2], [1], [0]]);
        let denial = Denial {
            nth: 0,
            retry_after: Duration::from_millis(70),
        };
        assert_eq!(take(30).denied, Some(denial));
        assert!(take(100).is_allowed() && !take(199).is_allowed() && take(200).is_allowed());
        assert_eq!(
            take(10_000).left,
            [2],
            "and no more than the burst comes back"
        );
    }

    #[test]
    fn of_two_keys_both_give_or_none() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let asks = [ask("wide", 100, 5), ask("narrow", 100, 1)];
        assert!(buckets.take(&asks, now).is_allowed());
        let denied = buckets.take(&asks, now).denied;
        assert_eq!(denied.map(|denial| denial.nth), Some(1));
        assert_eq!(
            buckets.take(&[asks[0]], now).left,
            [3],
            "the wide one was not charged"
        );
    }

    #[test]
    fn more_keys_than_can_be_held_are_denied_until_others_are_full_again() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        for n in 0..KEYS_MOST {
            assert!(
                buckets
                    .take(&[ask(&n.to_string(), 1000, 2)], now)
                    .is_allowed()
            );
        }
        assert!(!buckets.take(&[ask("new", 1000, 2)], now).is_allowed());
        assert!(
            buckets.take(&[ask("7", 1000, 2)], now).is_allowed(),
            "a known one goes on"
        );
        let later = now + Duration::from_secs(1);
        assert!(buckets.take(&[ask("new", 1000, 2)], later).is_allowed());
        assert_eq!(buckets.full_at.len(), 2);
    }
}
