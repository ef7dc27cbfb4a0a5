//! Typed ids: what the database keys by, and how people see it (`cert_...`, `job_...`).

use crate::base32;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected `{prefix}` followed by {digits} base-32 digits")]
pub struct InvalidId {
    /// The prefix that ids of this kind carry, with its underscore.
    pub prefix: &'static str,
    /// How many digits follow the prefix.
    pub digits: usize,
}

/// Crosses the wire as its text.
macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The form of its text, as a regular expression.
            pub const PATTERN: &str = concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}$");
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, base32::encode(self.0.as_u128(), 26))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(|digits| base32::decode(digits, 26, 128))
                    .map(|value| Self(Uuid::from_u128(value)))
                    .ok_or(InvalidId { prefix: $prefix, digits: 26 })
            }
        }

        as_text!($name);
    };
}

macro_rules! number_id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// The form of its text, as a regular expression.
            pub const PATTERN: &str = concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{12}$");
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = base32::encode(u128::from(self.0.unsigned_abs()), 13);
                write!(f, "{}{digits}", $prefix)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(|digits| base32::decode(digits, 13, 63))
                    .and_then(|value| i64::try_from(value).ok())
                    .map(Self)
                    .ok_or(InvalidId { prefix: $prefix, digits: 13 })
            }
        }

        as_text!($name);
    };
}

uuid_id!(
    /// Id of a certificate: the lasting intent, not one issued chain.
    CertificateId,
    "cert_"
);
uuid_id!(
    /// Id of an issuer.
    IssuerId,
    "iss_"
);
uuid_id!(
    /// Id of a profile.
    ProfileId,
    "prof_"
);
uuid_id!(
    /// Id of a version: one issued chain of a certificate.
    VersionId,
    "ver_"
);
uuid_id!(
    /// Id of an order; the idempotency key towards the issuer.
    OrderId,
    "ord_"
);
uuid_id!(
    /// Id of an operation: one wish for many objects.
    OperationId,
    "op_"
);
uuid_id!(
    /// Id of an API key; not the key itself.
    ApiKeyId,
    "key_"
);

number_id!(
    /// Id of a job.
    JobId,
    "job_"
);
number_id!(
    /// Id of a cut: what one process has missed after a failover.
    CutId,
    "cut_"
);

/// A team: a scope inside the one organisation that a database belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TeamId(pub i32);

impl TeamId {
    /// The team that every database starts with.
    pub const DEFAULT: Self = Self(1);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn uuid_ids_read_back_and_sort_like_their_uuids(a: u128, b: u128) {
            let (first, second) = (CertificateId(Uuid::from_u128(a)), CertificateId(Uuid::from_u128(b)));
            prop_assert_eq!(first.to_string().parse::<CertificateId>().unwrap(), first);
            prop_assert_eq!(first.to_string().cmp(&second.to_string()), a.cmp(&b));
        }

        #[test]
        fn job_ids_read_back(id in 0..i64::MAX) {
            prop_assert_eq!(JobId(id).to_string().parse::<JobId>().unwrap(), JobId(id));
        }
    }

    #[test]
    fn foreign_prefixes_and_wrong_lengths_are_refused() {
        let id = CertificateId(Uuid::from_u128(7)).to_string();
        assert!(id.parse::<OrderId>().is_err());
        assert!(id[..id.len() - 1].parse::<CertificateId>().is_err());
        assert!("job_zzzzzzzzzzzzz".parse::<JobId>().is_err());
        assert!(
            "cert_7zzzzzzzzzzzzzzzzzzzzzzzzzz"
                .parse::<CertificateId>()
                .is_err()
        );
        assert!(
            "cert_zzzzzzzzzzzzzzzzzzzzzzzzzz"
                .parse::<CertificateId>()
                .is_err()
        );
    }
}
