//! Under which name and key this replica asks: drawn once, then remembered.
//!
//! Invariant: both are on disk before anything is asked for.

use certmill_crypto::chain::Chain;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::{csr, random};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use data_encoding::BASE32_NOPAD;
use secrecy::ExposeSecret as _;

use super::folder::Folder;
use crate::tls::TlsError;

/// Name and key of this replica's certificate.
pub(super) struct Identity {
    name: String,
    key: PrivateKey,
}

impl Identity {
    /// What the folder remembers; `None` if anything is missing or unreadable.
    pub(super) fn load(folder: &Folder) -> Option<Self> {
        let name = folder.read_name()?.trim().to_owned();
        let key = PrivateKey::from_pem(folder.read_key()?.expose_secret()).ok()?;
        Some(Self { name, key })
    }

    /// Draws a new one, and forgets the chain of the old one.
    pub(super) fn make(folder: &Folder) -> Result<Self, TlsError> {
        let bits: [u8; 5] = random::bytes().map_err(TlsError::new)?;
        let name = format!(
            "api-{}.certmill.internal",
            BASE32_NOPAD.encode(&bits).to_lowercase()
        );
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(TlsError::new)?;
        folder.forget_chain()?;
        folder.write_key(key.to_pem().expose_secret())?;
        folder.write_name(&name)?;
        Ok(Self { name, key })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The request for these names, signed with the key.
    pub(super) fn csr_pem(&self, names: &Names) -> Result<String, TlsError> {
        csr::create(&self.key, names)
            .map(|der| csr::to_pem(&der))
            .map_err(TlsError::new)
    }

    /// The chain in the folder, if it is for this key.
    pub(super) fn stored_chain(&self, folder: &Folder) -> Option<Vec<Vec<u8>>> {
        let chain = Chain::parse_pem(&folder.read_chain()?).ok()?;
        let is_for_key = chain.leaf().public_key == *self.key.public_key();
        is_for_key.then(|| chain.ders().to_vec())
    }
}
