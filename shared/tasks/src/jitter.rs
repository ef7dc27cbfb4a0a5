//! How far a period may be shifted so that replicas do not act in step.
//!
//! Invariant: the value is between 0 and 50, whatever was asked for.

use std::time::Duration;

/// A share of an interval in percent, clamped to 0..=50.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JitterPercent(u8);

impl JitterPercent {
    /// The widest jitter; beyond it two ticks could nearly meet.
    pub const MAX: Self = Self(50);

    /// Takes the percentage, clamped to 0..=50.
    #[must_use]
    pub const fn new(percent: u32) -> Self {
        if percent > 50 {
            Self::MAX
        } else {
            Self(percent as u8)
        }
    }

    /// The percentage, 0..=50.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// This share of the interval.
    #[must_use]
    pub fn of(self, interval: Duration) -> Duration {
        interval.mul_f64(f64::from(self.0) / 100.0)
    }
}

impl Default for JitterPercent {
    /// Ten percent either way.
    fn default() -> Self {
        Self(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_clamped() {
        assert_eq!(JitterPercent::new(0).percent(), 0);
        assert_eq!(JitterPercent::new(50).percent(), 50);
        assert_eq!(JitterPercent::new(200), JitterPercent::MAX);
        assert_eq!(JitterPercent::new(u32::MAX), JitterPercent::MAX);
        assert_eq!(JitterPercent::default().percent(), 10);
        assert_eq!(
            JitterPercent::new(25).of(Duration::from_secs(8)),
            Duration::from_secs(2)
        );
    }
}
