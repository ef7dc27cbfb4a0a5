//! API keys as they are asked for and shown.

use certmill_settings::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::body::Request;
use crate::schema::{
    ApiKeyIdText, Instant, KeyLife, KeyName, KeyOverlap, KeyPrefix, KeySecret, KeyStateWord,
    RoleWord,
};
use crate::secret_text;
use crate::shape::{Shape, optional, required};

/// Makes a key: `POST /api/v1/keys`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// Its name; several keys may share one.
    #[schemars(with = "KeyName")]
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    #[schemars(with = "RoleWord")]
    pub role: String,
    /// How long it lives, in seconds; without an end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KeyLife>")]
    pub expires_in_s: Option<i64>,
}

impl Request for KeyRequest {
    const SHAPE: Shape = Shape::Object(&[
        required("name", Shape::Text),
        required("role", Shape::Text),
        optional("expires_in_s", Shape::Whole),
    ]);
}

/// Replaces a key: `POST /api/v1/keys/{id}/rotate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// For how long both are valid, in seconds; a day if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KeyOverlap>")]
    pub overlap_s: Option<i64>,
    /// How long the new one lives, in seconds; as long as the old one was meant to if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KeyLife>")]
    pub expires_in_s: Option<i64>,
}

impl Request for RotateRequest {
    const SHAPE: Shape = Shape::Object(&[
        optional("overlap_s", Shape::Whole),
        optional("expires_in_s", Shape::Whole),
    ]);
}

/// Makes the first admin's key: `POST /api/v1/bootstrap`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootstrapRequest {
    /// The content of the server's bootstrap token file.
    #[serde(with = "secret_text")]
    #[schemars(with = "String")]
    pub token: Option<Secret>,
    /// The name of the key; `first-admin` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KeyName>")]
    pub name: Option<String>,
    /// A key of one's own making, kept before it is sent, so that a lost answer loses nothing. If
    /// absent the server draws one and shows it in its answer.
    #[serde(default, with = "secret_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KeySecret>")]
    pub key: Option<Secret>,
}

impl Request for BootstrapRequest {
    const SHAPE: Shape = Shape::Object(&[
        required("token", Shape::Text),
        optional("name", Shape::Text),
        optional("key", Shape::Text),
    ]);
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyView {
    /// `key_...`
    #[schemars(with = "ApiKeyIdText")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    #[schemars(with = "RoleWord")]
    pub role: String,
    /// How the key itself begins: `cm_` and 8 characters.
    #[schemars(with = "KeyPrefix")]
    pub prefix: String,
    /// `valid`, `expired` or `revoked`.
    #[schemars(with = "KeyStateWord")]
    pub state: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub created_at: OffsetDateTime,
    /// Who made it.
    #[serde(default)]
    pub created_by: Option<String>,
    /// Its end, if it has one.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Who revoked it.
    #[serde(default)]
    pub revoked_by: Option<String>,
    /// Why, where whoever revoked it said so.
    #[serde(default)]
    pub revoke_reason: Option<String>,
    /// The key that it took the place of.
    #[serde(default)]
    #[schemars(with = "Option<ApiKeyIdText>")]
    pub replaces: Option<String>,
}

/// A key that was just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewKeyView {
    /// The key.
    pub key: KeyView,
    /// The key itself: shown here and never again. Absent where the client brought its own.
    #[serde(default, with = "secret_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KeySecret>")]
    pub secret: Option<Secret>,
    /// The key whose place it takes, with its new end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<KeyView>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::body::parse;

    #[test]
    fn secrets_cross_but_are_not_shown() {
        let asked: BootstrapRequest = parse(br#"{"token":"canary-1","key":"canary-2"}"#).unwrap();
        assert!(!format!("{asked:?}").contains("canary"));
        let written = serde_json::to_string(&asked).unwrap();
        assert_eq!(written, r#"{"token":"canary-1","key":"canary-2"}"#);
        let faulty = parse::<BootstrapRequest>(br#"{"tokn":"canary"}"#).unwrap_err();
        assert_eq!(faulty.errors.len(), 2);
        assert!(!format!("{faulty:?}").contains("canary"));
    }

    #[test]
    fn a_role_is_not_left_to_chance() {
        let faulty = parse::<KeyRequest>(br#"{"name":"ci","expires_in_s":1.5}"#).unwrap_err();
        let pointers: Vec<_> = faulty.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/role", "/expires_in_s"]);
    }
}
