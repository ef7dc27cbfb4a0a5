//! Why a certificate is revoked, in the words of RFC 5280.
//!
//! Invariant: only reasons that an end-entity certificate can have for good are values of
//! [`RevocationReason`]; the others are refused with the word that says why.

use std::fmt;
use std::str::FromStr;

/// Why an end-entity certificate is revoked (RFC 5280, section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// None is given.
    Unspecified,
    /// The private key is known to others.
    KeyCompromise,
    /// The subject's name or belonging has changed.
    AffiliationChanged,
    /// A newer certificate took its place.
    Superseded,
    /// The service is gone.
    CessationOfOperation,
    /// The right to the certificate was withdrawn.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The name in RFC 5280, in requests and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        }
    }

    /// The number in CRLs, OCSP answers and rows.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    /// The reason of that number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.number() == number)
    }

    /// What becomes of a certificate whose current version is revoked for this reason.
    #[must_use]
    pub fn aftermath(self) -> Aftermath {
        match self {
            Self::Unspecified | Self::Superseded => Aftermath::Replace,
            Self::KeyCompromise => Aftermath::NewKey,
            Self::AffiliationChanged | Self::CessationOfOperation | Self::PrivilegeWithdrawn => {
                Aftermath::Rest
            }
        }
    }
}

/// What becomes of a certificate whose current version was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// The next version is ordered at once.
    Replace,
    /// It rests until it gets another key: no version is made with this one.
    NewKey,
    /// It rests until a person renews it.
    Rest,
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no reason for an end-entity certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// Not a name of RFC 5280.
    #[error(
        "no such reason; known are unspecified, keyCompromise, affiliationChanged, superseded, \
         cessationOfOperation, privilegeWithdrawn"
    )]
    Unknown,
    /// The number 7.
    #[error("7 is no reason: RFC 5280 leaves it unused; give a name such as keyCompromise")]
    Unused,
    /// A number where a name is expected.
    #[error("give the reason by its name in RFC 5280, such as keyCompromise")]
    Number,
    /// cACompromise or aACompromise.
    #[error(
        "this reason is for the certificates of authorities; for a leaf whose key is known to \
         others give keyCompromise"
    )]
    Authority,
    /// certificateHold.
    #[error("a revocation is for good; certificateHold is not offered, since it can be lifted")]
    Hold,
    /// removeFromCRL.
    #[error("removeFromCRL would lift a hold, and there are no holds: a revocation is for good")]
    Lift,
}

impl InvalidReason {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown | Self::Unused | Self::Number => "reason_unknown",
            Self::Authority => "reason_not_for_leaf",
            Self::Hold | Self::Lift => "reason_not_final",
        }
    }
}

impl FromStr for RevocationReason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let known = Self::ALL
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(text));
        let lower = text.to_ascii_lowercase();
        known.ok_or(match lower.as_str() {
            "7" => InvalidReason::Unused,
            "cacompromise" | "aacompromise" => InvalidReason::Authority,
            "certificatehold" => InvalidReason::Hold,
            "removefromcrl" => InvalidReason::Lift,
            _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                InvalidReason::Number
            }
            _ => InvalidReason::Unknown,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_read_back() {
        for reason in RevocationReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(
                reason.as_str().to_uppercase().parse::<RevocationReason>(),
                Ok(reason)
            );
            assert_eq!(RevocationReason::from_number(reason.number()), Some(reason));
        }
        assert_eq!(RevocationReason::from_number(6), None);
    }

    #[test]
    fn each_refused_reason_says_why() {
        let cases = [
            ("7", InvalidReason::Unused),
            ("1", InvalidReason::Number),
            ("cACompromise", InvalidReason::Authority),
            ("aACompromise", InvalidReason::Authority),
            ("certificateHold", InvalidReason::Hold),
            ("removeFromCRL", InvalidReason::Lift),
            ("", InvalidReason::Unknown),
            ("lost", InvalidReason::Unknown),
        ];
        for (text, why) in cases {
            assert_eq!(text.parse::<RevocationReason>(), Err(why), "{text}");
        }
    }
}
