//! Connected issuers of this process, kept while their settings and their authority stay the same.

use certmill_crypto::ca::SigningCa;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::seal::LiveKeyring;
use certmill_domain::ids::IssuerId;
use certmill_issuers::{connect, is_known};
use certmill_pg::Pool;
use certmill_service::bootstrap::open_ca_key;
use certmill_spi::{Deps, Fault, Issuer as Connected};
use certmill_store::issuer::Issuer;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;
use uuid::Uuid;

/// The issuers that were connected so far.
pub(crate) struct Issuers {
    pool: Pool,
    ca_keys: Option<Arc<LiveKeyring>>,
    connected: Mutex<HashMap<IssuerId, Kept>>,
}

struct Kept {
    ca_key_id: Option<Uuid>,
    config: serde_json::Value,
    issuer: Arc<dyn Connected>,
}

impl Issuers {
    pub(crate) fn new(pool: Pool, ca_keys: Option<Arc<LiveKeyring>>) -> Self {
        Self {
            pool,
            ca_keys,
            connected: Mutex::new(HashMap::new()),
        }
    }

    /// Refuses an issuer of a kind that this build does not know: a newer one made it.
    ///
    /// # Errors
    /// [`certmill_store::Error::Newer`].
    pub(crate) fn require_known(row: &Issuer) -> Result<(), certmill_service::Error> {
        if is_known(&row.kind) {
            return Ok(());
        }
        Err(certmill_store::newer("issuer.kind", &row.kind).into())
    }

    /// The connected issuer of a row.
    ///
    /// # Errors
    /// A fault of class `Misconfigured` where its settings or its key do not fit.
    pub(crate) async fn connect(&self, row: &Issuer) -> Result<Arc<dyn Connected>, Fault> {
        let mut connected = self.connected.lock().await;
        if let Some(kept) = connected
            .get(&row.id)
            .filter(|kept| kept.ca_key_id == row.ca_key_id && kept.config == row.config)
        {
            return Ok(Arc::clone(&kept.issuer));
        }
        let ca_key = match row.ca_key_id {
            None => None,
            Some(id) => Some(self.open(id).await?),
        };
        let issuer: Arc<dyn Connected> = connect(&row.kind, &row.config, Deps { ca_key })?.into();
        connected.insert(
            row.id,
            Kept {
                ca_key_id: row.ca_key_id,
                config: row.config.clone(),
                issuer: Arc::clone(&issuer),
            },
        );
        Ok(issuer)
    }

    /// The authority of a key, for what is signed beside certificates.
    ///
    /// # Errors
    /// A fault of class `Misconfigured` where its key does not fit its certificate.
    pub(crate) async fn authority(
        &self,
        id: Uuid,
        certificate_der: &[u8],
    ) -> Result<SigningCa, Fault> {
        let key = self.open(id).await?;
        SigningCa::new(certificate_der, key)
            .map_err(|why| Fault::misconfigured(why.code(), why.to_string()))
    }

    async fn open(&self, id: Uuid) -> Result<PrivateKey, Fault> {
        let Some(keys) = &self.ca_keys else {
            let why = "this worker has no ca.kek file";
            return Err(Fault::misconfigured("ca_kek_missing", why));
        };
        open_ca_key(&self.pool, &keys.snapshot(), id)
            .await
            .map_err(|why| Fault::retry("ca_key_not_opened", why.to_string()))
    }
}
