//! When a certificate is renewed: a fraction of its issued life or a fixed time before its end,
//! spread by a hash, so that cohorts never move together and every replica computes one instant.

use crate::ids::CertificateId;
use crate::serial::Serial;
use crate::validity::Validity;
use time::{Duration, OffsetDateTime};

/// A profile's rule for the renewal instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RenewalRule {
    /// After this share of the issued life, between 0 and 1.
    Fraction(f64),
    /// This long before not_after.
    Before(Duration),
}

impl Default for RenewalRule {
    fn default() -> Self {
        Self::Fraction(2.0 / 3.0)
    }
}

/// Share of the issued life over which a cohort's renewals are spread, ahead of the rule's instant.
const SPREAD: f64 = 0.1;

/// The renewal instant of one version.
///
/// The life that counts is `not_after - max(not_before, issued_at)`, so that backdating does not
/// count. The instant lies within a tenth of that life before the rule's instant, placed by a hash
/// of (certificate, serial); it is never before issuance nor after not_after.
#[must_use]
pub fn renew_at(
    rule: RenewalRule,
    validity: Validity,
    issued_at: OffsetDateTime,
    certificate: CertificateId,
    serial: Serial,
) -> OffsetDateTime {
    let start = validity.not_before.max(issued_at);
    let life = validity.not_after - start;
    if !life.is_positive() {
        return validity.not_after;
    }
    let latest = match rule {
        RenewalRule::Fraction(share) => start + life.mul_f(share.clamp(0.0, 1.0)),
        RenewalRule::Before(before) => (validity.not_after - before).max(start),
    };
    let room = life.mul_f(SPREAD).min(latest - start);
    let spread = room.mul_f(unit_hash(certificate, serial));
    (latest - spread).clamp(start, validity.not_after)
}

/// Renewal priority by the remaining share of life: 0 under a tenth, 1 under a third, else 2.
#[must_use]
pub fn priority(remaining: Duration, life: Duration) -> i16 {
    if !life.is_positive() || remaining < life / 10_i32 {
        0
    } else if remaining < life / 3_i32 {
        1
    } else {
        2
    }
}

/// FNV-1a over certificate and serial, finished by one mixing round, as a number in 0..1. Stable across builds and replicas.
fn unit_hash(certificate: CertificateId, serial: Serial) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in certificate.0.as_bytes().iter().chain(serial.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / 4_294_967_296.0
}

trait MulF {
    fn mul_f(self, factor: f64) -> Self;
}

impl MulF for Duration {
    fn mul_f(self, factor: f64) -> Self {
        Duration::seconds_f64(self.as_seconds_f64() * factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;
    use uuid::Uuid;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
    const FAR: OffsetDateTime = datetime!(2099-01-01 00:00 UTC);

    fn instant(lifetime: Duration, rule: RenewalRule, seed: u128) -> OffsetDateTime {
        let validity = Validity::plan(NOW, lifetime, FAR);
        let serial = Serial::from_random(seed.to_be_bytes());
        renew_at(
            rule,
            validity,
            NOW,
            CertificateId(Uuid::from_u128(seed)),
            serial,
        )
    }

    proptest! {
        #[test]
        fn never_before_issuance_nor_after_the_end(
            seconds in 1i64..400_000_000, share in 0.01f64..0.99, before in 1i64..400_000_000, seed: u128,
        ) {
            let lifetime = Duration::seconds(seconds);
            for rule in [RenewalRule::Fraction(share), RenewalRule::Before(Duration::seconds(before))] {
                let at = instant(lifetime, rule, seed);
                prop_assert!(at >= NOW && at <= NOW + lifetime);
            }
        }

        #[test]
        fn the_default_leaves_a_third_of_life_and_at_most_a_tenth_more(
            seconds in prop::sample::select(vec![60i64, 86_400, 90 * 86_400, 3_650 * 86_400]), seed: u128,
        ) {
            let lifetime = Duration::seconds(seconds);
            let share = (instant(lifetime, RenewalRule::default(), seed) - NOW) / lifetime;
            prop_assert!((0.56..0.667).contains(&share), "{}", share);
        }
    }

    #[test]
    fn backdating_does_not_count() {
        let validity = Validity {
            not_before: NOW - Duration::days(30),
            not_after: NOW + Duration::days(30),
        };
        let serial = Serial::from_random([9; 16]);
        let at = renew_at(
            RenewalRule::default(),
            validity,
            NOW,
            CertificateId(Uuid::nil()),
            serial,
        );
        assert!(at > NOW + Duration::days(16), "{at}");
    }

    #[test]
    fn a_cohort_spreads() {
        let instants: std::collections::BTreeSet<_> = (0..1000u128)
            .map(|n| instant(Duration::days(90), RenewalRule::default(), n * 7919))
            .collect();
        assert!(instants.len() > 990, "{}", instants.len());
        let width = instants
            .iter()
            .next_back()
            .copied()
            .map(|last| last - instants.iter().next().copied().unwrap_or(last));
        assert!(width > Some(Duration::days(8)), "{width:?}");
    }

    #[test]
    fn urgency_follows_the_remaining_share() {
        let life = Duration::days(90);
        assert_eq!(priority(Duration::days(8), life), 0);
        assert_eq!(priority(Duration::days(29), life), 1);
        assert_eq!(priority(Duration::days(31), life), 2);
    }
}
