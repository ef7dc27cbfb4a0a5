//! Schemas of values that serde writes as plain texts, for the contract of the API.
//!
//! Invariant: a text with a fixed set of words or a fixed form says so in its schema, taken from
//! the type that makes it.

use std::borrow::Cow;

use certmill_domain::api_key::{KeyState, LIFE_MAX, LIFE_MIN, OVERLAP_MAX};
use certmill_domain::certificate::CertificateStatus;
use certmill_domain::ids::{
    ApiKeyId, CertificateId, IssuerId, JobId, OperationId, ProfileId, VersionId,
};
use certmill_domain::job::JobState;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::operation::{JobVerb, OperationState};
use certmill_domain::profile::KeySource;
use certmill_domain::revocation::RevocationReason;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// An instant: RFC 3339 in UTC.
pub(crate) struct Instant;

impl JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// A text of one form, described by the type that reads it.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident => $schema:expr;)*) => {$(
        $(#[$meta])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

texts! {
    /// `cert_...`
    CertificateIdText => form(CertificateId::PATTERN);
    /// `iss_...`
    IssuerIdText => form(IssuerId::PATTERN);
    /// `job_...`
    JobIdText => form(JobId::PATTERN);
    /// `prof_...`
    ProfileIdText => form(ProfileId::PATTERN);
    /// `key_...`
    ApiKeyIdText => form(ApiKeyId::PATTERN);
    /// `ver_...`
    VersionIdText => form(VersionId::PATTERN);
    /// `op_...`
    OperationIdText => form(OperationId::PATTERN);
    /// A word of [`JobVerb`].
    JobVerbWord => words(&JobVerb::ALL.map(JobVerb::as_str));
    /// A word of [`OperationState`].
    OperationStateWord => words(&OperationState::ALL.map(OperationState::as_str));
    /// A word of [`CertificateStatus`].
    StatusWord => words(&CertificateStatus::ALL.map(CertificateStatus::as_str));
    /// A word of [`JobState`].
    StateWord => words(&JobState::ALL.map(JobState::as_str));
    /// A word of [`KeyState`].
    KeyStateWord => words(&KeyState::ALL.map(KeyState::as_str));
    /// What a key may do.
    RoleWord => words(&["viewer", "operator", "admin"]);
    /// A key's name.
    KeyName => form("^[A-Za-z0-9._-]{1,64}$");
    /// How a key begins.
    KeyPrefix => form("^cm_[a-z2-7]{8}$");
    /// How long a key lives, in seconds: a minute to ten years.
    KeyLife => json_schema!({
        "type": "integer",
        "minimum": LIFE_MIN.whole_seconds(),
        "maximum": LIFE_MAX.whole_seconds(),
    });
    /// How long two keys are valid together, in seconds.
    KeyOverlap => json_schema!({
        "type": "integer",
        "minimum": 0,
        "maximum": OVERLAP_MAX.whole_seconds(),
    });
    /// A whole key.
    KeySecret => form("^cm_[a-z2-7]{8}_[a-z2-7]{58}$");
    /// A word of [`KeyAlgorithm`].
    KeyAlgorithmWord => words(&KeyAlgorithm::ALL.map(KeyAlgorithm::as_str));
    /// A word of [`RevocationReason`].
    ReasonWord => words(&RevocationReason::ALL.map(RevocationReason::as_str));
    /// A word of [`KeySource`].
    KeySourceWord => words(&KeySource::ALL.map(KeySource::as_str));
    /// Lower-case hex of a SHA-256.
    Sha256Hex => form("^[0-9a-f]{64}$");
    /// Lower-case hex of a serial number, 20 bytes at most (RFC 5280, section 4.1.2.2).
    SerialHex => form("^([0-9a-f]{2}){1,20}$");
}

fn form(pattern: &str) -> Schema {
    json_schema!({"type": "string", "pattern": pattern})
}

fn words(known: &[&str]) -> Schema {
    json_schema!({"type": "string", "enum": known})
}
