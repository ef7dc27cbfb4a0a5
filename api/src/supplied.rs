//! A certificate that the operator supplies as two files, reloaded when they change.
//!
//! Invariant: a pair that does not fit is refused at the start, and never replaces one that fits.

use std::time::Duration;

use certmill_crypto::chain::{Outline, certificates_from_pem};
use certmill_crypto::digest::sha256;
use certmill_crypto::keys::PrivateKey;
use certmill_settings::{TlsFiles, read_key_bytes};
use certmill_tasks::{JitterPercent, JitteredTicker, Shutdown};
use time::OffsetDateTime;

use crate::tls::{Tls, TlsError};

/// What the files hold, with a mark of their content.
struct Pair {
    chain: Vec<Vec<u8>>,
    key: PrivateKey,
    mark: [u8; 32],
}

/// The supplied certificate that is being served.
pub(crate) struct Supplied {
    files: TlsFiles,
    tls: Tls,
    mark: [u8; 32],
}

impl Supplied {
    /// Reads and checks the pair; one that has ended at `now` is refused.
    pub(crate) fn open(files: TlsFiles, now: OffsetDateTime) -> Result<Self, TlsError> {
        let pair = read(&files)?;
        require_life(&files, &pair, now)?;
        let tls = Tls::showing(&pair.chain, &pair.key).map_err(|why| unfit(&files, &why))?;
        Ok(Self {
            files,
            tls,
            mark: pair.mark,
        })
    }

    /// What the listener shows.
    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Looks at the files again and again, and shows what changed.
    pub(crate) async fn watch(mut self, every: Duration, shutdown: Shutdown) {
        let mut ticker = JitteredTicker::new(every, JitterPercent::default()).until(&shutdown);
        while ticker.tick().await.is_some() {
            match self.reload() {
                Ok(true) => tracing::info!(
                    event = "tls_reloaded",
                    "the supplied certificate was reloaded"
                ),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(event = "tls_not_reloaded", %error, "the old certificate stays in place");
                }
            }
        }
    }

    fn reload(&mut self) -> Result<bool, TlsError> {
        let pair = read(&self.files)?;
        if pair.mark == self.mark {
            return Ok(false);
        }
        self.tls
            .swap(&pair.chain, &pair.key)
            .map_err(|why| unfit(&self.files, &why))?;
        self.mark = pair.mark;
        Ok(true)
    }
}

fn read(files: &TlsFiles) -> Result<Pair, TlsError> {
    let (cert, key) = (files.cert_file.display(), files.key_file.display());
    let key_pem = read_key_bytes("tls.key_file", &files.key_file).map_err(TlsError::new)?;
    let chain_pem = std::fs::read_to_string(&files.cert_file)
        .map_err(|why| TlsError::new(format!("tls.cert_file {cert} cannot be read: {why}")))?;
    let chain = certificates_from_pem(&chain_pem).map_err(|why| {
        TlsError::new(format!(
            "tls.cert_file {cert}: {why}; write PEM, leaf first"
        ))
    })?;
    let text = std::str::from_utf8(&key_pem)
        .map_err(|_| TlsError::new(format!("tls.key_file {key} is not PEM")))?;
    let private = PrivateKey::from_pem(text)
        .map_err(|why| TlsError::new(format!("tls.key_file {key}: {why}")))?;
    require_match(files, &chain, &private)?;
    let mark = sha256(&[sha256(&key_pem), sha256(chain_pem.as_bytes())].concat());
    Ok(Pair {
        chain,
        key: private,
        mark,
    })
}

/// Looks at the pair as a start of the api would, without serving it; answers its last instant.
///
/// # Errors
/// The words of that start.
pub fn check_supplied(files: &TlsFiles, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    let pair = read(files).map_err(|why| why.to_string())?;
    require_life(files, &pair, now).map_err(|why| why.to_string())?;
    leaf(files, &pair.chain)
        .map(|leaf| leaf.not_after)
        .map_err(|why| why.to_string())
}

fn leaf(files: &TlsFiles, chain: &[Vec<u8>]) -> Result<Outline, TlsError> {
    let cert = files.cert_file.display();
    let first = chain
        .first()
        .ok_or_else(|| TlsError::new(format!("tls.cert_file {cert} holds no certificate")))?;
    Outline::from_der(first).map_err(|why| TlsError::new(format!("tls.cert_file {cert}: {why}")))
}

fn require_match(files: &TlsFiles, chain: &[Vec<u8>], key: &PrivateKey) -> Result<(), TlsError> {
    let (shown, held) = (
        leaf(files, chain)?.spki_sha256,
        key.public_key().spki_sha256(),
    );
    if shown == held {
        return Ok(());
    }
    Err(TlsError::new(format!(
        "the public keys differ: tls.cert_file {} has SPKI SHA-256 {}, tls.key_file {} has {}; \
         name the key that this certificate was made for, leaf first in the chain",
        files.cert_file.display(),
        hex::encode(shown),
        files.key_file.display(),
        hex::encode(held)
    )))
}

fn require_life(files: &TlsFiles, pair: &Pair, now: OffsetDateTime) -> Result<(), TlsError> {
    let not_after = leaf(files, &pair.chain)?.not_after;
    if now <= not_after {
        return Ok(());
    }
    Err(TlsError::new(format!(
        "the certificate in tls.cert_file {} ended at notAfter {not_after}; renew it, or leave \
         tls.cert_file and tls.key_file out, and this server obtains its own",
        files.cert_file.display()
    )))
}

fn unfit(files: &TlsFiles, why: &TlsError) -> TlsError {
    TlsError::new(format!(
        "the key in {} does not fit the first certificate in {}: {why}",
        files.key_file.display(),
        files.cert_file.display()
    ))
}
