//! Settings of a local CA.

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a local CA. Its key is no setting: it is sealed in the database.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// The issuing CA's certificate in PEM, followed by the intermediates above it,
    /// if any. A root may be given too; it is not sent with the chain.
    pub chain_pem: String,
    /// Where revocation is told: the public base of the plain listener, such as
    /// `http://pki.example.com`. Certificates name it; without it they name nothing.
    #[serde(default)]
    pub revocation_url: Option<String>,
}
