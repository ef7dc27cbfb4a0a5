//! The kind `ocsp_responder`: the key of a responder was certified.

use crate::Error;
use certmill_pg::Tx;
use certmill_store::ocsp_responder;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The kind's name.
pub const KIND: &str = "ocsp_responder";

/// Arguments of the kind: which key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ResponderArgs {
    /// The key's row.
    pub responder_id: Uuid,
}

/// A certified key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effect {
    /// The key's row.
    pub responder_id: Uuid,
    /// The certificate's serial number.
    pub serial: [u8; 16],
    /// The certificate's end.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// The certificate; standard base 64.
    pub certificate: String,
}

/// Stores certificates of responders.
///
/// # Errors
/// [`Error::Store`]; bytes that are not base 64 are [`Error::Crypto`].
pub async fn apply(effects: Vec<Effect>, tx: &mut Tx) -> Result<(), Error> {
    for effect in &effects {
        let der = data_encoding::BASE64
            .decode(effect.certificate.as_bytes())
            .map_err(|why| Error::Crypto(why.to_string()))?;
        let id = effect.responder_id;
        ocsp_responder::certify(&mut *tx, id, &effect.serial, &der, effect.not_after).await?;
    }
    Ok(())
}
