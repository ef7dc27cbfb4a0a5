//! Profiles as they are asked for and shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::FieldError;
use crate::body::Request;
use crate::schema::{Instant, KeyAlgorithmWord, KeySourceWord, ProfileIdText};
use crate::shape::{Shape, optional, required};

/// When a version is renewed: exactly one of the two is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewalView {
    /// After this share of the lifetime, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// So many seconds before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_s: Option<i64>,
}

/// Makes a profile: `POST /api/v1/profiles`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileRequest {
    /// Its name, unique.
    pub name: String,
    /// The issuer by name; the default issuer if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// How long a version lives, in seconds.
    pub lifetime_s: i64,
    /// Subject keys that are accepted; the built-in list if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<KeyAlgorithmWord>>")]
    pub key_algorithms: Option<Vec<String>>,
    /// `csr` (default) or `sealed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<KeySourceWord>")]
    pub key_source: Option<String>,
    /// When a version is renewed; after two thirds of its life if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew: Option<RenewalView>,
    /// Patterns of names that may be asked for; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_names: Option<Vec<String>>,
}

impl Request for ProfileRequest {
    const SHAPE: Shape = Shape::Object(&[
        required("name", Shape::Text),
        optional("issuer", Shape::Text),
        required("lifetime_s", Shape::Whole),
        optional("key_algorithms", Shape::List(&Shape::Text)),
        optional("key_source", Shape::Text),
        optional(
            "renew",
            Shape::Object(&[
                optional("fraction", Shape::Number),
                optional("before_s", Shape::Whole),
            ]),
        ),
        optional("allowed_names", Shape::List(&Shape::Text)),
    ]);

    fn faults(&self) -> Vec<FieldError> {
        match self.renew {
            Some(RenewalView {
                fraction: Some(_),
                before_s: Some(_),
            })
            | Some(RenewalView {
                fraction: None,
                before_s: None,
            }) => {
                let detail = "must hold exactly one of fraction and before_s";
                vec![FieldError::new("/renew", "invalid_renewal", detail)]
            }
            _ => Vec::new(),
        }
    }
}

/// What certificates of one purpose have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileView {
    /// `prof_...`
    #[schemars(with = "ProfileIdText")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// The issuer's name.
    pub issuer: String,
    /// How long a version lives, in seconds.
    pub lifetime_s: i64,
    /// Subject keys that are accepted.
    #[schemars(with = "Vec<KeyAlgorithmWord>")]
    pub key_algorithms: Vec<String>,
    /// `csr` or `sealed`.
    #[schemars(with = "KeySourceWord")]
    pub key_source: String,
    /// When a version is renewed.
    pub renew: RenewalView,
    /// Patterns of names; empty allows all.
    pub allowed_names: Vec<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub created_at: OffsetDateTime,
}
