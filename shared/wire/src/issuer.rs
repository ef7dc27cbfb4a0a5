//! Issuers as they are shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::schema::{Instant, IssuerIdText};

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuerView {
    /// `iss_...`
    #[schemars(with = "IssuerIdText")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// The connector: `local`.
    pub kind: String,
    /// `active`, or why it is not.
    pub status: String,
    /// Subject of the certificate that signs, if known.
    #[serde(default)]
    pub subject: Option<String>,
    /// Until when that certificate is valid.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub not_after: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub created_at: OffsetDateTime,
}
