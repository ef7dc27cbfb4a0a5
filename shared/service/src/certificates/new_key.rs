//! Another key for a certificate: from its requester's CSR, or made and sealed by the server.
//!
//! Invariant: the names stay; a key that was reported as compromised is not taken again.

use crate::{Context, Error, FieldFault};
use certmill_crypto::csr::{self, Csr};
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::seal::Place;
use certmill_domain::ids::CertificateId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::profile::{KeySource, Profile};
use certmill_pg::Tx;
use certmill_store::certificate::Certificate;
use certmill_store::revocation;

/// A key that the server made.
pub(super) struct SealedKey {
    /// A request that carries it.
    pub csr_der: Vec<u8>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki_sha256: Vec<u8>,
    /// Id of the KEK, and the sealed key.
    pub sealed: (String, Vec<u8>),
}

/// Makes a key of the profile's first kind and seals it for the certificate of that id.
pub(super) fn make_sealed(
    context: &Context,
    id: CertificateId,
    names: &Names,
    profile: &Profile,
) -> Result<SealedKey, Error> {
    let crypto = |why: &dyn std::fmt::Display| Error::Crypto(why.to_string());
    let keyring = context.app_keys.as_ref().ok_or_else(|| {
        Error::Misconfigured("this server has no app.kek, so it cannot seal a private key".into())
    })?;
    let keyring = keyring.snapshot();
    let algorithm = profile
        .key_algorithms
        .first()
        .copied()
        .unwrap_or(KeyAlgorithm::EcdsaP256);
    let key = PrivateKey::generate(algorithm).map_err(|why| crypto(&why))?;
    let row = id.0.to_string();
    let place = Place::new("certificate", "key_sealed", &row);
    let sealed = keyring
        .seal(place, key.pkcs8_der())
        .map_err(|why| crypto(&why))?;
    Ok(SealedKey {
        spki_sha256: key.public_key().spki_sha256().to_vec(),
        csr_der: csr::create(&key, names).map_err(|why| crypto(&why))?,
        sealed: (keyring.current().id().to_string(), sealed),
    })
}

/// Gives the locked certificate the key of `csr_pem`, or one that the server makes where its own
/// was reported; without either it keeps the key that it has.
pub(super) async fn take(
    context: &Context,
    tx: &mut Tx,
    row: &Certificate,
    profile: &Profile,
    csr_pem: Option<&str>,
) -> Result<(), Error> {
    match (csr_pem, row.key_source) {
        (Some(pem), KeySource::Csr) => {
            let csr = admitted(tx, row, profile, pem).await?;
            let spki = csr.public_key.spki_sha256();
            Ok(revocation::replace_key(&mut *tx, row.id, &csr.der, &spki, None).await?)
        }
        (Some(_), KeySource::Sealed) => Err(fault(
            "csr_not_wanted",
            "the server makes the keys of this certificate",
        )),
        (None, KeySource::Sealed) if row.key_compromised => {
            let made = make_sealed(context, row.id, &row.names, profile)?;
            let sealed = Some(&made.sealed);
            revocation::replace_key(&mut *tx, row.id, &made.csr_der, &made.spki_sha256, sealed)
                .await?;
            Ok(())
        }
        (None, _) if row.key_compromised => Err(crate::issuing::key_compromised()),
        (None, _) => Ok(()),
    }
}

async fn admitted(
    tx: &mut Tx,
    row: &Certificate,
    profile: &Profile,
    pem: &str,
) -> Result<Csr, Error> {
    let csr = Csr::parse(pem.as_bytes()).map_err(|why| fault(why.code(), why))?;
    let asked = csr.names.iter().flat_map(|names| names.as_slice());
    for name in asked {
        if !row.names.as_slice().contains(name) {
            let why = format!("the CSR names {name}, the certificate does not: names stay");
            return Err(fault("names_differ", why));
        }
    }
    profile
        .admit(csr.public_key.algorithm(), &row.names)
        .map_err(|why| fault(why.code(), why))?;
    let spki = csr.public_key.spki_sha256();
    if !revocation::compromised_among(&mut *tx, &[&spki])
        .await?
        .is_empty()
    {
        let why = "this key was reported as known to others; make another one";
        return Err(fault("key_compromised", why));
    }
    Ok(csr)
}

fn fault(code: &str, why: impl ToString) -> Error {
    Error::Invalid(vec![FieldFault::new("/csr", code, why)])
}
