//! Forms of values: durations, names, `key=value`.
//!
//! Invariant: nothing is guessed: a number without a unit is no duration.

use std::str::FromStr;
use std::time::Duration;

use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::San;
use certmill_domain::revocation::RevocationReason;

/// The longest duration that is taken: 100 years.
const LONGEST_S: u64 = 36_525 * 86_400;

/// Reads `60s`, `15m`, `720h`, `47d` or `2w`; nothing is no duration.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        long => Ok(long),
    }
}

/// As [`duration`], and takes `0s`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let form = || "write a whole number and a unit: 60s, 15m, 720h, 47d or 2w".to_owned();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit_s: u64 = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(form()),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(form());
    }
    let count = u64::from_str(digits).map_err(|_| form())?;
    match count.checked_mul(unit_s) {
        Some(seconds) if seconds <= LONGEST_S => Ok(Duration::from_secs(seconds)),
        _ => Err("must be 36525d at most".to_owned()),
    }
}

/// Reads a DNS name or an address.
pub(super) fn san(text: &str) -> Result<San, String> {
    text.parse()
        .map_err(|why: certmill_domain::names::InvalidName| why.to_string())
}

/// Reads the name of a key algorithm.
pub(super) fn key_algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    text.parse()
        .map_err(|why: certmill_domain::key::UnknownKeyAlgorithm| why.to_string())
}

/// Reads the name of a revocation reason.
pub(super) fn revocation_reason(text: &str) -> Result<RevocationReason, String> {
    text.parse()
        .map_err(|why: certmill_domain::revocation::InvalidReason| why.to_string())
}

/// Reads a share between 0 and 1.
pub(super) fn fraction(text: &str) -> Result<f64, String> {
    let share: f64 = text
        .parse()
        .map_err(|_| "write a number such as 0.66".to_owned())?;
    if share > 0.0 && share < 1.0 {
        Ok(share)
    } else {
        Err("must lie between 0 and 1".to_owned())
    }
}

/// Reads `key=value`.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    // The text is not part of the error: it may hold a secret.
    let (key, value) = text.split_once('=').ok_or("write key=value")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        let seconds = |text: &str| duration(text).map(|d| d.as_secs());
        assert_eq!(seconds("60s"), Ok(60));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("720h"), seconds("30d"));
        assert_eq!(seconds("47d"), Ok(47 * 86_400));
        assert_eq!(seconds("2w"), Ok(14 * 86_400));
        assert_eq!(seconds("36525d"), Ok(LONGEST_S));
        for bad in [
            "",
            "60",
            "s",
            "-1s",
            "1 month",
            "P1Y",
            "1.5h",
            "0s",
            "36526d",
            "1s1",
            "٣s",
            "é",
            "99999999999999999999d",
            "9999999999999999999w",
            "+5s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(span("0s"), Ok(Duration::ZERO));
        assert!(span("-1s").is_err() && span("0").is_err());
    }

    #[test]
    fn fractions_lie_between_nothing_and_all() {
        assert!(fraction("0.66").is_ok());
        for bad in ["0", "1", "-0.5", "NaN", "inf", "x"] {
            assert!(fraction(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_normalised() {
        assert_eq!(
            san("Shop.Example.com.").unwrap().to_string(),
            "shop.example.com"
        );
        assert!(san("*.com").unwrap_err().contains("wildcard"));
    }
}
