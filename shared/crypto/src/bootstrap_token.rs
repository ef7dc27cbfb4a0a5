//! The one-time token of an installation's first admin.
//!
//! Invariant: only the SHA-256 of the token is kept, and it is compared in constant time.

use std::collections::BTreeSet;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::digest::sha256;

/// The fewest characters: 128 bits even where they are hexadecimal digits.
const LEN_MIN: usize = 32;
/// The most characters.
const LEN_MAX: usize = 256;
/// The fewest different characters. A random token of 32 hexadecimal digits has fewer once in
/// several thousand draws, a keyboard walk or a repeated word nearly always.
const DISTINCT_MIN: usize = 10;

/// A token that somebody could guess. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakToken {
    /// Too short, too long, or not visible ASCII.
    #[error("has {0} characters, must have 32..256 visible ASCII ones")]
    Form(usize),
    /// The same few characters again and again.
    #[error("has only {0} different characters, must have 10 or more")]
    Monotonous(usize),
}

/// What is known of the token: enough to recognise it.
#[derive(Debug, Clone)]
pub struct BootstrapToken {
    hash: [u8; 32],
}

impl BootstrapToken {
    /// Takes a token in, unless it could be guessed.
    ///
    /// # Errors
    /// [`WeakToken`].
    pub fn new(text: &str) -> Result<Self, WeakToken> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(LEN_MIN..=LEN_MAX).contains(&text.len()) {
            return Err(WeakToken::Form(text.chars().count()));
        }
        let distinct = text.bytes().collect::<BTreeSet<u8>>().len();
        if distinct < DISTINCT_MIN {
            return Err(WeakToken::Monotonous(distinct));
        }
        Ok(Self {
            hash: sha256(text.as_bytes()),
        })
    }

    /// Whether this is the token. Hashes are compared, so that neither a common beginning nor the
    /// length shows in the time that it takes.
    #[must_use]
    pub fn is(&self, sent: &str) -> bool {
        verify_slices_are_equal(&self.hash, &sha256(sent.as_bytes())).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "3f9a0c5e7b1d2486f0e1d2c3b4a59687";

    #[test]
    fn it_recognises_itself_only() {
        let token = BootstrapToken::new(GOOD).unwrap();
        assert!(token.is(GOOD));
        for other in ["", &GOOD[..31], &GOOD.to_uppercase(), &format!("{GOOD}\n")] {
            assert!(!token.is(other));
        }
    }

    #[test]
    fn what_could_be_guessed_is_refused_without_being_shown() {
        for (weak, why) in [
            ("canary", WeakToken::Form(6)),
            ("", WeakToken::Form(0)),
            (&"canary ".repeat(6), WeakToken::Form(42)),
            (&"ä".repeat(20), WeakToken::Form(20)),
            (&"x1Y2".repeat(70), WeakToken::Form(280)),
            (&"canary".repeat(6), WeakToken::Monotonous(5)),
        ] {
            let refused = BootstrapToken::new(weak).unwrap_err();
            assert_eq!(refused, why);
            assert!(!refused.to_string().contains("canary"));
        }
    }
}
