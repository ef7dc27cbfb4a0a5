//! The alarm for whoever keeps dead rows from being removed, looked for once a minute.
//!
//! Invariant: it only looks and logs; that it cannot look ends no term.

use certmill_pg::{Horizon, HorizonLimits, Pool};
use std::time::Duration;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// A holder that stays is told again after so many looks.
const AGAIN_AFTER: u32 = 10;

/// Looks for ever; dropped with the term.
pub(crate) async fn watch(pool: &Pool) {
    let mut alarm = Alarm::default();
    loop {
        match Horizon::look(pool, HorizonLimits::default()).await {
            Ok(seen) => match alarm.hear(&seen) {
                Word::Held => tracing::warn!(
                    event = "xmin_held",
                    holders = seen.told(),
                    dead_jobs = seen.dead_jobs,
                    live_jobs = seen.live_jobs,
                    "dead rows cannot be removed, and claims of jobs become slower; end the \
                     session, prepared transaction or slot"
                ),
                Word::Released => tracing::info!(
                    event = "xmin_released",
                    dead_jobs = seen.dead_jobs,
                    "dead rows can be removed again"
                ),
                Word::Nothing => {}
            },
            Err(error) => tracing::debug!(event = "horizon_not_seen", %error),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Held,
    Released,
    Nothing,
}

/// Remembers what was told, so that one holder is not told each minute.
#[derive(Debug, Default)]
struct Alarm {
    told: Vec<String>,
    looks: u32,
}

impl Alarm {
    fn hear(&mut self, seen: &Horizon) -> Word {
        let names: Vec<String> = seen.holders.iter().map(|one| one.who.clone()).collect();
        let changed = names.iter().any(|name| !self.told.contains(name));
        let was_held = !self.told.is_empty();
        self.looks += 1;
        self.told = names;
        match (self.told.is_empty(), was_held) {
            (true, true) => Word::Released,
            (true, false) => Word::Nothing,
            (false, _) if changed || self.looks > AGAIN_AFTER => {
                self.looks = 0;
                Word::Held
            }
            (false, _) => Word::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use certmill_pg::SnapshotHolder;

    fn seen(names: &[&str]) -> Horizon {
        let holder = |name: &&str| SnapshotHolder {
            who: (*name).to_owned(),
            application: "psql".to_owned(),
            age_s: Some(400),
            transactions: 1,
        };
        Horizon {
            holders: names.iter().map(holder).collect(),
            dead_jobs: 0,
            live_jobs: 0,
            hidden: 0,
        }
    }

    #[test]
    fn a_holder_is_told_when_it_comes_and_when_it_goes() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.hear(&seen(&[])), Word::Nothing);
        assert_eq!(alarm.hear(&seen(&["pid 1"])), Word::Held);
        assert_eq!(alarm.hear(&seen(&["pid 1"])), Word::Nothing);
        assert_eq!(alarm.hear(&seen(&["pid 1", "pid 2"])), Word::Held);
        for _ in 0..AGAIN_AFTER {
            assert_eq!(alarm.hear(&seen(&["pid 2"])), Word::Nothing);
        }
        assert_eq!(alarm.hear(&seen(&["pid 2"])), Word::Held, "it stays");
        assert_eq!(alarm.hear(&seen(&[])), Word::Released);
    }
}
