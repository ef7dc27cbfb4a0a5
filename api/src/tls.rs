//! What the listener shows: TLS 1.3 alone, one chain, swapped without a break.
//!
//! Invariant: key and leaf belong together, and a chain that cannot be served never replaces
//! one that can.

use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use certmill_crypto::ca::{CaPlan, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_telemetry::clock::now_utc;
use rustls::ServerConfig;
use rustls::version::TLS13;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::Duration;

/// A chain or key that cannot be served; the words never hold key material.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TlsError(String);

impl TlsError {
    /// From any cause, in its words.
    pub(crate) fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

/// What the listener shows now; clones share it.
#[derive(Clone)]
pub(crate) struct Tls(RustlsConfig);

impl Tls {
    /// Shows this chain.
    pub(crate) fn showing(chain: &[Vec<u8>], key: &PrivateKey) -> Result<Self, TlsError> {
        Ok(Self(RustlsConfig::from_config(server_config(chain, key)?)))
    }

    /// Shows a chain that lives a day and that nobody trusts, until the real one is there.
    pub(crate) fn throw_away(names: Names) -> Result<Self, TlsError> {
        let (chain, key) = untrusted(names)?;
        Self::showing(&chain, &key)
    }

    /// Shows this chain from the next handshake on; open connections go on.
    pub(crate) fn swap(&self, chain: &[Vec<u8>], key: &PrivateKey) -> Result<(), TlsError> {
        self.0.reload_from_config(server_config(chain, key)?);
        Ok(())
    }

    /// For the listener.
    pub(crate) fn config(&self) -> RustlsConfig {
        self.0.clone()
    }
}

fn server_config(chain: &[Vec<u8>], key: &PrivateKey) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = chain
        .iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::new)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::new)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn untrusted(names: Names) -> Result<(Vec<Vec<u8>>, PrivateKey), TlsError> {
    let serial = || {
        random::bytes()
            .map(Serial::from_random)
            .map_err(TlsError::new)
    };
    let generate = || PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(TlsError::new);
    // Only the throw-away's dates: no decision rests on this clock, and the database may be away.
    let now = now_utc();
    let validity = Validity::plan(now, Duration::DAY, now + Duration::DAY);
    let plan = CaPlan {
        common_name: "certmill is starting".to_owned(),
        organization: None,
        serial: serial()?,
        validity,
        path_len: 0,
    };
    let root_key = generate()?;
    let root = create_root(&plan, &root_key).map_err(TlsError::new)?;
    let ca = SigningCa::new(&root, root_key).map_err(TlsError::new)?;
    let key = generate()?;
    let leaf = LeafPlan {
        serial: serial()?,
        validity,
        names,
        public_key: key.public_key().clone(),
        purposes: vec![Purpose::ServerAuth],
        status: None,
    };
    Ok((vec![ca.sign_leaf(&leaf).map_err(TlsError::new)?], key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_foreign_key_is_refused_and_the_old_chain_stays() {
        let names = Names::parse(["localhost"]).unwrap();
        let (chain, key) = untrusted(names.clone()).unwrap();
        let tls = Tls::showing(&chain, &key).unwrap();
        let before = tls.config().get_inner();
        let (_, other) = untrusted(names).unwrap();
        assert!(tls.swap(&chain, &other).is_err());
        assert!(tls.swap(&[], &key).is_err());
        assert!(Arc::ptr_eq(&before, &tls.config().get_inner()));
        tls.swap(&chain, &key).unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.config().get_inner()));
    }
}
