//! Secrets that have to cross: written out for the wire alone, hidden from `Debug` everywhere.

use certmill_settings::Secret;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes the secret.
pub(crate) fn serialize<S: Serializer>(
    secret: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = secret.as_ref().map(|secret| secret.expose_secret());
    text.serialize(serializer)
}

/// Reads the secret.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
}
