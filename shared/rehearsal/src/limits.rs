//! Exact sliding windows over what the CA accepted.
//!
//! Invariant: a new order is counted under all limits or under none.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use certmill_domain::budget::Scope;
use certmill_domain::names::Names;

/// How many new orders are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// By what they are counted.
    pub scope: Scope,
    /// In any window.
    pub most: usize,
    /// The window.
    pub window: Duration,
}

/// The limits with what they count.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    limits: Vec<Limit>,
    counted: HashMap<(usize, String), VecDeque<Duration>>,
}

impl Limits {
    pub(crate) fn new(limits: Vec<Limit>) -> Self {
        Self {
            limits,
            counted: HashMap::new(),
        }
    }

    /// Counts an order for these names, or says how long none is accepted.
    pub(crate) fn count(&mut self, names: &Names, now: Duration) -> Result<(), Duration> {
        let mut keys = Vec::new();
        let mut wait = Duration::ZERO;
        for (nth, limit) in self.limits.iter().enumerate() {
            for key in limit.scope.keys(names) {
                let counted = self.counted.entry((nth, key.clone())).or_default();
                while counted.front().is_some_and(|at| *at + limit.window <= now) {
                    counted.pop_front();
                }
                if counted.len() >= limit.most
                    && let Some(oldest) = counted.front()
                {
                    wait = wait.max(*oldest + limit.window - now);
                }
                keys.push((nth, key));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for key in keys {
            self.counted.entry(key).or_default().push_back(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn limit(scope: Scope, most: usize) -> Limit {
        Limit {
            scope,
            most,
            window: WINDOW,
        }
    }

    #[test]
    fn a_window_slides_and_refusals_do_not_count() {
        let mut limits = Limits::new(vec![
            limit(Scope::Account, 3),
            limit(Scope::RegisteredDomain, 2),
        ]);
        let at = Duration::from_secs;
        let a = Names::parse(["www.example.com"]).unwrap();
        let b = Names::parse(["example.org"]).unwrap();
        assert_eq!(limits.count(&a, at(0)), Ok(()));
        assert_eq!(limits.count(&a, at(1)), Ok(()));
        assert_eq!(limits.count(&a, at(2)), Err(at(8)), "by the domain");
        assert_eq!(limits.count(&b, at(3)), Ok(()));
        assert_eq!(limits.count(&b, at(4)), Err(at(6)), "by the account");
        assert_eq!(limits.count(&b, at(10)), Ok(()));
    }
}
