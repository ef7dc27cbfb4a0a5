//! Profiles: what may be issued, for how long, with which key, and when it is renewed.

use crate::ids::{IssuerId, ProfileId, TeamId};
use crate::key::KeyAlgorithm;
use crate::names::{Names, San};
use crate::renewal::RenewalRule;
use std::fmt;
use std::str::FromStr;
use time::Duration;

/// Shortest lifetime a profile may have, in multiples of the process lease: a certificate must
/// survive the rescue of the worker that was renewing it.
pub const LIFETIME_LEASES_MIN: i32 = 10;
/// Longest lifetime a profile may have.
pub const LIFETIME_MAX: Duration = Duration::days(3_660);

/// Who makes the private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// The requester: only a CSR reaches certmill, and renewals reuse it.
    Csr,
    /// The server, sealed under the app KEK; must be acknowledged in the settings.
    Sealed,
}

impl KeySource {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Csr, Self::Sealed];

    /// The word in rows, requests and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csr => "csr",
            Self::Sealed => "sealed",
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeySource {
    type Err = ProfileFault;

    fn from_str(text: &str) -> Result<Self, ProfileFault> {
        match text {
            "csr" => Ok(Self::Csr),
            "sealed" => Ok(Self::Sealed),
            other => Err(ProfileFault::KeySource(other.chars().take(64).collect())),
        }
    }
}

/// What certificates of one purpose have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// The team it belongs to.
    pub team_id: TeamId,
    /// Its name, unique in the team.
    pub name: String,
    /// Who signs.
    pub issuer_id: IssuerId,
    /// How long a version lives.
    pub lifetime: Duration,
    /// Subject keys that are accepted.
    pub key_algorithms: Vec<KeyAlgorithm>,
    /// Who makes the private key.
    pub key_source: KeySource,
    /// When a version is renewed.
    pub renewal: RenewalRule,
    /// Patterns of names that may be asked for; empty allows all. `example.com` allows itself,
    /// `*.example.com` allows every name below it.
    pub allowed_names: Vec<String>,
}

/// Why a profile or a request against it is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProfileFault {
    /// Not `csr` or `sealed`.
    #[error("unknown key_source `{0}`; use csr or sealed")]
    KeySource(String),
    /// A key algorithm outside the profile's list.
    #[error("the key is {0}, the profile accepts {1}")]
    KeyAlgorithm(KeyAlgorithm, String),
    /// A name outside the profile's patterns.
    #[error("the name {0} is outside the profile's allowed names")]
    Name(String),
    /// A lifetime outside the bounds, both in seconds.
    #[error(
        "the lifetime of {lifetime_s} s is outside {min_s}..={max_s} s: a certificate must outlive ten process leases"
    )]
    Lifetime {
        /// What was asked for.
        lifetime_s: i64,
        /// Ten process leases.
        min_s: i64,
        /// The longest lifetime.
        max_s: i64,
    },
    /// A renewal rule outside its bounds.
    #[error(
        "the renewal rule must be a fraction between 0.05 and 0.95, or a time before the end shorter than the lifetime"
    )]
    Renewal,
    /// No key algorithm.
    #[error("a profile accepts at least one key algorithm")]
    NoKeyAlgorithm,
}

impl ProfileFault {
    /// The field of a profile's request that it is about, as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> &'static str {
        match self {
            Self::KeySource(_) => "/key_source",
            Self::KeyAlgorithm(..) | Self::NoKeyAlgorithm => "/key_algorithms",
            Self::Name(_) => "/allowed_names",
            Self::Lifetime { .. } => "/lifetime_s",
            Self::Renewal => "/renew",
        }
    }

    /// The stable code that problems carry.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeySource(_) => "key_source_unknown",
            Self::KeyAlgorithm(..) => "key_algorithm_not_allowed",
            Self::Name(_) => "name_not_allowed",
            Self::Lifetime { .. } => "lifetime_out_of_bounds",
            Self::Renewal => "renewal_rule_out_of_bounds",
            Self::NoKeyAlgorithm => "key_algorithms_empty",
        }
    }
}

impl Profile {
    /// Checks what was asked for against this profile, before anything is signed.
    ///
    /// # Errors
    /// The first key or name that the profile does not allow.
    pub fn admit(&self, key: KeyAlgorithm, names: &Names) -> Result<(), ProfileFault> {
        if !self.key_algorithms.contains(&key) {
            let accepted: Vec<&str> = self
                .key_algorithms
                .iter()
                .map(|known| known.as_str())
                .collect();
            return Err(ProfileFault::KeyAlgorithm(key, accepted.join(", ")));
        }
        match names.as_slice().iter().find(|name| !self.allows(name)) {
            Some(outside) => Err(ProfileFault::Name(outside.to_string())),
            None => Ok(()),
        }
    }

    fn allows(&self, name: &San) -> bool {
        let text = name.to_string();
        self.allowed_names.is_empty()
            || self
                .allowed_names
                .iter()
                .any(|pattern| match pattern.strip_prefix("*.") {
                    Some(parent) => {
                        matches!(name, San::Dns(_))
                            && text
                                .strip_suffix(parent)
                                .is_some_and(|below| below.ends_with('.'))
                    }
                    None => *pattern == text,
                })
    }
}

/// Checks the bounds of a profile that is being made.
///
/// # Errors
/// All faults, in the order of the fields.
pub fn check_bounds(
    lifetime: Duration,
    renewal: RenewalRule,
    key_algorithms: &[KeyAlgorithm],
    process_lease: Duration,
) -> Result<(), Vec<ProfileFault>> {
    let mut faults = Vec::new();
    let min = process_lease * LIFETIME_LEASES_MIN;
    if lifetime < min || lifetime > LIFETIME_MAX {
        faults.push(ProfileFault::Lifetime {
            lifetime_s: lifetime.whole_seconds(),
            min_s: min.whole_seconds(),
            max_s: LIFETIME_MAX.whole_seconds(),
        });
    }
    let renewal_fits = match renewal {
        RenewalRule::Fraction(share) => (0.05..=0.95).contains(&share),
        RenewalRule::Before(before) => before.is_positive() && before < lifetime,
    };
    if !renewal_fits {
        faults.push(ProfileFault::Renewal);
    }
    if key_algorithms.is_empty() {
        faults.push(ProfileFault::NoKeyAlgorithm);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn profile(allowed: &[&str]) -> Profile {
        Profile {
            id: ProfileId(Uuid::nil()),
            team_id: TeamId::DEFAULT,
            name: "web".into(),
            issuer_id: IssuerId(Uuid::nil()),
            lifetime: Duration::days(47),
            key_algorithms: vec![KeyAlgorithm::EcdsaP256],
            key_source: KeySource::Csr,
            renewal: RenewalRule::default(),
            allowed_names: allowed.iter().map(ToString::to_string).collect(),
        }
    }

    fn admits(allowed: &[&str], name: &str) -> bool {
        profile(allowed)
            .admit(KeyAlgorithm::EcdsaP256, &Names::parse([name]).unwrap())
            .is_ok()
    }

    #[test]
    fn patterns_allow_what_they_say() {
        assert!(admits(&[], "a.example.com"));
        assert!(admits(&["*.example.com"], "a.b.example.com"));
        assert!(admits(&["*.example.com"], "*.example.com"));
        assert!(!admits(&["*.example.com"], "example.com"));
        assert!(!admits(&["*.example.com"], "evilexample.com"));
        assert!(!admits(&["example.com"], "a.example.com"));
        assert!(!admits(&["*.0.2.1"], "192.0.2.1"));
    }

    #[test]
    fn foreign_keys_are_refused() {
        let names = Names::parse(["a.example.com"]).unwrap();
        let fault = profile(&[])
            .admit(KeyAlgorithm::Rsa2048, &names)
            .unwrap_err();
        assert_eq!(fault.code(), "key_algorithm_not_allowed");
    }

    #[test]
    fn a_lifetime_must_outlive_ten_leases() {
        let check = |lifetime_s, lease_s| {
            let keys = [KeyAlgorithm::EcdsaP256];
            check_bounds(
                Duration::seconds(lifetime_s),
                RenewalRule::default(),
                &keys,
                Duration::seconds(lease_s),
            )
        };
        assert!(check(60, 5).is_ok());
        assert!(check(60, 30).is_err());
        assert!(check(86_400 * 5_000, 30).is_err());
    }
}
