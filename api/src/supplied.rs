//! A certificate that the operator supplies as two files, reloaded when they change.
//!
//! Invariant: a pair that does not fit is refused at the start, and never replaces one that fits.

use std::time::Duration;

use certmill_crypto::chain::certificates_from_pem;
use certmill_crypto::digest::sha256;
use certmill_crypto::keys::PrivateKey;
use certmill_settings::{TlsFiles, read_key_bytes};
use certmill_tasks::{JitterPercent, JitteredTicker, Shutdown};

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
    /// Reads and checks the pair.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let pair = read(&files)?;
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
    let mark = sha256(&[sha256(&key_pem), sha256(chain_pem.as_bytes())].concat());
    Ok(Pair {
        chain,
        key: private,
        mark,
    })
}

fn unfit(files: &TlsFiles, why: &TlsError) -> TlsError {
    TlsError::new(format!(
        "the key in {} does not fit the first certificate in {}: {why}",
        files.key_file.display(),
        files.cert_file.display()
    ))
}
