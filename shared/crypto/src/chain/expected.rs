//! What a CA returned, compared with what was ordered, before it is stored.
//!
//! Invariant: a chain that passes can be served: the key is the one ordered, the
//! names are exactly those ordered, and it is valid now.

use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use time::{Duration, OffsetDateTime};

use crate::chain::leaf::parse;
use crate::chain::{Chain, ChainError};

/// How far a CA's clock may be ahead of ours.
const SKEW_MAX: Duration = Duration::minutes(5);

/// What was ordered.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The ordered key as SubjectPublicKeyInfo.
    pub spki_der: &'a [u8],
    /// The ordered names.
    pub names: &'a Names,
    /// Serial and dates, where the order fixed them (the local CA); other CAs choose.
    pub planned: Option<(&'a Serial, &'a Validity)>,
    /// The database's clock.
    pub now: OffsetDateTime,
}

/// Checks an ordered, link-verified chain against what was ordered.
///
/// # Errors
/// [`ChainError`] with the first difference found.
pub fn verify_issued(chain: &Chain, expected: &Expected<'_>) -> Result<(), ChainError> {
    let leaf = chain.leaf();
    if chain.ders().len() < 2 {
        return Err(ChainError::Incomplete);
    }
    if leaf.public_key.spki_der() != expected.spki_der {
        return Err(ChainError::WrongKey);
    }
    if leaf.names != *expected.names {
        return Err(ChainError::WrongNames {
            issued: leaf.names.to_texts().join(", "),
            ordered: expected.names.to_texts().join(", "),
        });
    }
    if let Some((serial, _)) = expected.planned
        && leaf.serial_hex.trim_start_matches('0') != serial.to_string().trim_start_matches('0')
    {
        return Err(ChainError::WrongSerial);
    }
    check_dates(chain, expected)
}

fn check_dates(chain: &Chain, expected: &Expected<'_>) -> Result<(), ChainError> {
    let leaf = chain.leaf();
    let Validity {
        not_before,
        not_after,
    } = Validity {
        not_before: leaf.not_before,
        not_after: leaf.not_after,
    };
    let usable =
        not_before < not_after && not_before <= expected.now + SKEW_MAX && expected.now < not_after;
    let as_planned = expected
        .planned
        .is_none_or(|(_, plan)| plan.not_before == not_before && plan.not_after == not_after);
    if !usable || !as_planned {
        return Err(ChainError::WrongDates {
            not_before,
            not_after,
        });
    }
    for (index, der) in chain.ders().iter().enumerate().skip(1) {
        let validity = parse(der)?.validity().clone();
        let valid = validity.not_before.to_datetime() <= expected.now + SKEW_MAX
            && expected.now < validity.not_after.to_datetime();
        if !valid {
            return Err(ChainError::Expired { place: index + 1 });
        }
    }
    Ok(())
}
