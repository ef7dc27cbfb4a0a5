//! The kind `crl`: a list of revoked certificates was signed.

use crate::Error;
use certmill_pg::Tx;
use certmill_store::crl::{self, NewCrl};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The kind's name.
pub const KIND: &str = "crl";

/// Arguments of the kind: whose list.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct CrlArgs {
    /// The authority.
    pub ca_key_id: Uuid,
}

/// A signed list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effect {
    /// Whose.
    pub ca_key_id: Uuid,
    /// Its number.
    pub number: i64,
    /// The revision that it shows.
    pub revision: i64,
    /// When it was drawn.
    #[serde(with = "time::serde::rfc3339")]
    pub this_update: OffsetDateTime,
    /// When the next one is there at the latest.
    #[serde(with = "time::serde::rfc3339")]
    pub next_update: OffsetDateTime,
    /// How many certificates it names.
    pub entries: i32,
    /// The bytes; standard base 64.
    pub der: String,
}

/// Publishes lists.
///
/// # Errors
/// [`Error::Store`]; bytes that are not base 64 are [`Error::Crypto`].
pub async fn apply(effects: Vec<Effect>, tx: &mut Tx) -> Result<(), Error> {
    for effect in &effects {
        let der = data_encoding::BASE64
            .decode(effect.der.as_bytes())
            .map_err(|why| Error::Crypto(why.to_string()))?;
        let new = NewCrl {
            ca_key_id: effect.ca_key_id,
            number: effect.number,
            revision: effect.revision,
            this_update: effect.this_update,
            next_update: effect.next_update,
            entries: effect.entries,
            sha256: certmill_crypto::digest::sha256(&der).to_vec(),
            der,
        };
        crl::publish(&mut *tx, &new).await?;
    }
    Ok(())
}
