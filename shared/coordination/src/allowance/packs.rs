//! What this replica holds of each key: passes in small packs, and the denials that still hold.
//!
//! Invariant: a pass of a pack was accounted for when the pack was taken and is good for [`LIFE`]
//! from before that, so that all replicas together let pass at most burst + w / emission interval in
//! any window w: the burst that the database is told is shortened by what may pass that much later.
//! A denial holds no longer than the wait that the database named.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex as Gate;

use super::ruling::{Ask, Denial, Ruling};
use crate::limiter::{GcraLimit, Taken};

/// How long a pack is good for.
pub(super) const LIFE: Duration = Duration::from_millis(100);
/// Most passes in a pack.
pub(super) const PACK_MOST: u32 = 64;
/// Keys that are remembered at once. Of others each pass is asked for, and each denial as well.
const KEYS_MOST: usize = 4096;

/// By key.
#[derive(Default)]
pub(super) struct Packs {
    held: HashMap<String, Held>,
    searched: Option<Instant>,
}

/// Of one key.
struct Held {
    pack: Pack,
    /// What was left at the database after the last answer, and when it was asked.
    rest: u32,
    asked: Instant,
    denied_until: Option<Instant>,
    /// Whoever fetches the next pack holds it; the others wait for what it brings.
    gate: Arc<Gate<()>>,
}

#[derive(Clone, Copy)]
struct Pack {
    left: u32,
    /// How many were taken at once, none before the first; doubles while packs are used up in time.
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

    fn next_size(&self, now: Instant) -> u32 {
        match (self.is_live(now), self.left) {
            (true, _) => self.size.saturating_mul(2).min(PACK_MOST),
            (false, 0) => self.size,
            (false, _) => self.size / 2,
        }
        .max(1)
    }
}

impl Held {
    fn new(now: Instant) -> Self {
        Self {
            pack: Pack {
                left: 0,
                size: 0,
                taken: now,
            },
            rest: u32::MAX,
            asked: now,
            denied_until: None,
            gate: Arc::default(),
        }
    }

    fn is_needed(&self, now: Instant) -> bool {
        self.pack.is_live(now)
            || self.denied_until.is_some_and(|until| until > now)
            || Arc::strong_count(&self.gate) > 1
    }

    /// How many passes there are, as far as this replica knows.
    fn left(&self, limit: GcraLimit, now: Instant) -> u32 {
        let back = limit.fit(now.saturating_duration_since(self.asked));
        let here = if self.pack.is_live(now) {
            self.pack.left
        } else {
            0
        };
        self.rest
            .saturating_add(back)
            .saturating_add(here)
            .min(limit.burst)
    }
}

/// What became of asks without the database.
pub(super) enum Look<const N: usize> {
    /// It is not needed.
    Ruled(Ruling<N>),
    /// Some passes have to be taken there.
    Short(Short<N>),
}

/// Passes that were set aside for a request, and those that it still needs.
pub(super) struct Short<const N: usize> {
    pub(super) places: [Place; N],
    /// Held while the passes are taken, where others would take the same.
    pub(super) gate: Option<Arc<Gate<()>>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// One pass of the pack that was taken then.
    SetAside { taken: Instant, left: u32 },
    /// So many have to be taken.
    Needs(u32),
}

impl Packs {
    /// Takes a pass of each key out of the packs at hand, or says what else is needed.
    pub(super) fn look<const N: usize>(&mut self, asks: &[Ask<'_>; N], now: Instant) -> Look<N> {
        self.make_room(now);
        if let Some(ruling) = self.denied(asks, now) {
            return Look::Ruled(ruling);
        }
        let mut gate = None;
        let places = asks.each_ref().map(|ask| {
            let (place, own_gate) = self.place(ask, now);
            gate = gate.take().or(own_gate);
            place
        });
        let mut left = [0; N];
        for (left, place) in left.iter_mut().zip(places) {
            match place {
                Place::SetAside { left: known, .. } => *left = known,
                Place::Needs(_) => return Look::Short(Short { places, gate }),
            }
        }
        Look::Ruled(Ruling { denied: None, left })
    }

    fn denied<const N: usize>(&self, asks: &[Ask<'_>; N], now: Instant) -> Option<Ruling<N>> {
        let denial = |(nth, ask): (usize, &Ask<'_>)| {
            let until = self.held.get(ask.key)?.denied_until?;
            let retry_after = until.checked_duration_since(now)?;
            (!retry_after.is_zero()).then_some(Denial { nth, retry_after })
        };
        let denial = asks.iter().enumerate().find_map(denial)?;
        let mut left = asks.each_ref().map(|ask| self.known_left(ask, now));
        left[denial.nth] = 0;
        Some(Ruling {
            denied: Some(denial),
            left,
        })
    }

    fn known_left(&self, ask: &Ask<'_>, now: Instant) -> u32 {
        let held = self.held.get(ask.key);
        held.map_or(ask.limit.burst, |held| held.left(ask.limit, now))
    }

    fn place(&mut self, ask: &Ask<'_>, now: Instant) -> (Place, Option<Arc<Gate<()>>>) {
        let largest = largest(ask.limit);
        let is_known = self.held.contains_key(ask.key);
        if largest == 1 || (!is_known && self.held.len() >= KEYS_MOST) {
            return (Place::Needs(1), None);
        }
        if !is_known {
            self.held.insert(ask.key.to_owned(), Held::new(now));
        }
        let Some(held) = self.held.get_mut(ask.key) else {
            return (Place::Needs(1), None);
        };
        if held.pack.holds_passes(now) {
            held.pack.left -= 1;
            let (taken, left) = (held.pack.taken, held.left(ask.limit, now));
            return (Place::SetAside { taken, left }, None);
        }
        // More than is left there would only be denied.
        let size = held.pack.next_size(now).min(largest);
        let size = size.min(held.left(ask.limit, now)).max(1);
        (Place::Needs(size), Some(Arc::clone(&held.gate)))
    }

    /// Puts back what was set aside; where the pack is another one by now, it is lost.
    pub(super) fn put_back<const N: usize>(&mut self, asks: &[Ask<'_>; N], short: &Short<N>) {
        for (ask, place) in asks.iter().zip(short.places) {
            if let (Place::SetAside { taken, .. }, Some(held)) = (place, self.held.get_mut(ask.key))
                && held.pack.taken == taken
            {
                held.pack.left += 1;
            }
        }
    }

    /// Notes what the database said of each pass that was needed, and rules; `asked` is the
    /// instant before it was asked.
    pub(super) fn settle<const N: usize>(
        &mut self,
        asks: &[Ask<'_>; N],
        short: &Short<N>,
        said: &[Option<Said>; N],
        asked: Instant,
        now: Instant,
    ) -> Ruling<N> {
        let denied = first_denial(asks, said);
        let spent = u32::from(denied.is_none());
        let mut left = [0; N];
        for (nth, ask) in asks.iter().enumerate() {
            left[nth] = match (short.places[nth], said[nth]) {
                (Place::SetAside { left, .. }, _) => left,
                (_, Some(Said { n, taken })) if taken.granted => {
                    self.keep(ask, n, n - spent, taken.left, asked, now);
                    taken.left.saturating_add(n - spent)
                }
                (_, Some(Said { taken, .. })) => {
                    self.note_denial(ask, &taken, asked);
                    taken.left
                }
                (Place::Needs(_), None) => 0,
            };
        }
        if let Some(denial) = denied {
            self.put_back(asks, short);
            left[denial.nth] = 0;
        }
        Ruling { denied, left }
    }

    /// Keeps a new pack. Who asked at the same time may have brought another one, whose passes were
    /// accounted for as well: they are put together, and none is good for longer than it was.
    fn keep(
        &mut self,
        ask: &Ask<'_>,
        size: u32,
        left: u32,
        rest: u32,
        asked: Instant,
        now: Instant,
    ) {
        let Some(held) = self.held.get_mut(ask.key) else {
            return;
        };
        let mut pack = Pack {
            left,
            size,
            taken: asked,
        };
        (held.rest, held.asked) = (rest, asked);
        if held.pack.holds_passes(now) {
            if !pack.holds_passes(now) {
                return;
            }
            pack.left = pack.left.saturating_add(held.pack.left);
            pack.size = pack.size.max(held.pack.size);
            pack.taken = pack.taken.min(held.pack.taken);
        }
        held.pack = pack;
    }

    /// Counted from before the database was asked, so that it never holds longer than was named.
    fn note_denial(&mut self, ask: &Ask<'_>, taken: &Taken, asked: Instant) {
        let (Some(retry_after), 0) = (taken.retry_after, taken.left) else {
            return;
        };
        if !self.held.contains_key(ask.key) && self.held.len() >= KEYS_MOST {
            return;
        }
        let held = self.held.entry(ask.key.to_owned());
        let held = held.or_insert_with(|| Held::new(asked));
        (held.rest, held.asked) = (0, asked);
        held.denied_until = Some(asked + retry_after);
    }

    fn make_room(&mut self, now: Instant) {
        let is_due = |at| now.saturating_duration_since(at) >= LIFE;
        if self.held.len() >= KEYS_MOST && self.searched.is_none_or(is_due) {
            self.held.retain(|_, held| held.is_needed(now));
            self.searched = Some(now);
        }
    }
}

/// What the database said, and to how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) n: u32,
    pub(super) taken: Taken,
}

fn first_denial<const N: usize>(asks: &[Ask<'_>; N], said: &[Option<Said>; N]) -> Option<Denial> {
    let denied = || {
        let said = said.iter().enumerate();
        said.filter_map(|(nth, said)| Some((nth, (*said)?.taken)))
            .filter(|(_, taken)| !taken.granted)
    };
    // One that is denied for itself tells when to come back; the others were only not granted.
    let own = denied().find(|(_, taken)| taken.retry_after.is_some());
    let (nth, taken) = own.or_else(|| denied().next())?;
    Some(Denial {
        nth,
        retry_after: taken
            .retry_after
            .unwrap_or(asks[nth].limit.emission_interval),
    })
}

/// Passes that can come from a pack after the window in which they were accounted for.
pub(super) fn late(limit: GcraLimit) -> u32 {
    let interval = limit.emission_interval.as_nanos().max(1);
    u32::try_from(LIFE.as_nanos().div_ceil(interval)).unwrap_or(u32::MAX)
}

/// A pack never holds more than what comes back within its life, nor a tenth of the burst. Limits that
/// are small, or whose burst is soon over, are exact: a pass at a time.
pub(super) fn largest(limit: GcraLimit) -> u32 {
    if late(limit) > limit.burst / 2 {
        return 1;
    }
    late(limit).min(limit.burst / 10).clamp(1, PACK_MOST)
}

/// The limit as the database is told of it.
pub(super) fn shortened(limit: GcraLimit) -> GcraLimit {
    match largest(limit) {
        1 => limit,
        _ => GcraLimit {
            burst: limit.burst.saturating_sub(late(limit)),
            ..limit
        },
    }
}

#[cfg(test)]
#[path = "packs_tests.rs"]
mod tests;
