//! Profiles and issuers as they are shown.

use certmill_domain::renewal::RenewalRule;
use certmill_service::profiles::Shown;
use certmill_store::issuer::Issuer;
use certmill_wire::{IssuerView, ProfileView, RenewalView};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A profile with the name of its issuer.
pub(crate) fn profile(shown: Shown) -> ProfileView {
    let profile = shown.profile;
    ProfileView {
        id: profile.id.to_string(),
        name: profile.name,
        issuer: shown.issuer,
        lifetime_s: profile.lifetime.whole_seconds(),
        key_algorithms: profile
            .key_algorithms
            .iter()
            .map(ToString::to_string)
            .collect(),
        key_source: profile.key_source.as_str().to_owned(),
        renew: renewal(profile.renewal),
        allowed_names: profile.allowed_names,
        created_at: drawn_at(profile.id.0),
    }
}

fn renewal(rule: RenewalRule) -> RenewalView {
    match rule {
        RenewalRule::Fraction(fraction) => RenewalView {
            fraction: Some(fraction),
            before_s: None,
        },
        RenewalRule::Before(before) => RenewalView {
            fraction: None,
            before_s: Some(before.whole_seconds()),
        },
    }
}

/// An issuer, without its configuration.
pub(crate) fn issuer(issuer: Issuer) -> IssuerView {
    IssuerView {
        id: issuer.id.to_string(),
        name: issuer.name,
        kind: issuer.kind,
        status: "active".to_owned(),
        subject: None,
        not_after: issuer.ca_not_after,
        created_at: drawn_at(issuer.id.0),
    }
}

/// When the database drew the id: the first 48 bits of a UUIDv7 are milliseconds of the Unix
/// epoch (RFC 9562, section 5.7).
fn drawn_at(id: Uuid) -> OffsetDateTime {
    let ms = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_instant_is_read_from_the_id() {
        // The example of RFC 9562, appendix A.6.
        let id = Uuid::from_u128(0x017F_22E2_79B0_7CC3_98C4_DC0C_0C07_398F);
        assert_eq!(drawn_at(id), datetime!(2022-02-22 19:22:22 UTC));
    }
}
