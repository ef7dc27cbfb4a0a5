//! What is decided about API keys: whether one still opens, which names and lives it may have, and
//! how long the successor of a rotated one lives.

use std::fmt;
use std::str::FromStr;
use time::{Duration, OffsetDateTime};

/// The shortest life of a key: long enough to carry it to whoever uses it.
pub const LIFE_MIN: Duration = Duration::MINUTE;
/// The longest life of a key that has an end.
pub const LIFE_MAX: Duration = Duration::days(3_650);
/// The longest time for which a rotated key and its successor are valid together.
pub const OVERLAP_MAX: Duration = Duration::days(30);
/// That time, unless told otherwise.
pub const OVERLAP: Duration = Duration::DAY;
/// The most characters of a key's name.
pub const NAME_LEN_MAX: usize = 64;

/// Whether a key opens, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It opens.
    Valid,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl KeyState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Valid, Self::Expired, Self::Revoked];

    /// The word in filters and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state; known are {}", KeyState::ALL.map(KeyState::as_str).join(", "))]
pub struct UnknownKeyState;

impl FromStr for KeyState {
    type Err = UnknownKeyState;

    fn from_str(text: &str) -> Result<Self, UnknownKeyState> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(UnknownKeyState)
    }
}

/// Whether a key may be called so.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=NAME_LEN_MAX).contains(&text.len()) && text.chars().all(plain)
}

/// How long the successor of a key lives: as long as it was meant to live itself; without an end
/// if it had none. A key that ends where it began leaves a successor of [`LIFE_MIN`].
#[must_use]
pub fn successor_life(
    created_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
) -> Option<Duration> {
    expires_at.map(|end| (end - created_at).max(LIFE_MIN))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in KeyState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!("live".parse::<KeyState>(), Err(UnknownKeyState));
    }

    #[test]
    fn names_are_plain_and_short() {
        for good in ["a", "ci", "CI-2.build_host", &"x".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_successor_lives_as_long_as_its_predecessor_was_meant_to() {
        let made = datetime!(2030-01-01 00:00 UTC);
        assert_eq!(successor_life(made, None), None);
        let week = made + Duration::WEEK;
        assert_eq!(successor_life(made, Some(week)), Some(Duration::WEEK));
        assert_eq!(successor_life(made, Some(made)), Some(LIFE_MIN));
    }
}
