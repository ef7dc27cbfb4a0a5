//! New authorities of our own: roots, and issuing CAs below them, their keys sealed.

use crate::Error;
use certmill_crypto::ca::{CaPlan, SigningCa, create_root};
use certmill_crypto::chain::certificate_pem;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_crypto::seal::{Keyring, Place};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_pg::Tx;
use certmill_store::ca_key::{self, CaKey};
use certmill_store::clock;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const ROOT_LIFE: Duration = Duration::days(3_650);
const ISSUING_LIFE: Duration = Duration::days(1_825);

/// What a row needs beside its key.
pub(super) struct Certified {
    pub name: String,
    pub parent_id: Option<Uuid>,
    pub certificate_der: Vec<u8>,
    pub chain_der: Vec<Vec<u8>>,
    pub not_after: OffsetDateTime,
}

/// Makes and stores the root of that number.
pub(crate) async fn root(tx: &mut Tx, keys: &Keyring, number: usize) -> Result<CaKey, Error> {
    let common_name = match number {
        1 => "certmill root".to_owned(),
        more => format!("certmill root {more}"),
    };
    let plan = plan(tx, common_name, ROOT_LIFE, None, 1).await?;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384).map_err(crypto)?;
    let certified = Certified {
        name: numbered("root", number),
        parent_id: None,
        certificate_der: create_root(&plan, &key).map_err(crypto)?,
        chain_der: Vec::new(),
        not_after: plan.validity.not_after,
    };
    store(tx, keys, certified, &key).await
}

/// Makes and stores the issuing CA of that number below a root of ours.
pub(crate) async fn issuing(
    tx: &mut Tx,
    keys: &Keyring,
    root: &CaKey,
    number: usize,
) -> Result<CaKey, Error> {
    let signing = SigningCa::new(&root.certificate_der, open(keys, root)?).map_err(crypto)?;
    let name = format!("certmill issuing CA {number}");
    let plan = plan(tx, name, ISSUING_LIFE, Some(root.not_after), 0).await?;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(crypto)?;
    let certified = Certified {
        name: numbered("issuing", number),
        parent_id: Some(root.id),
        certificate_der: signing.sign_ca(&plan, key.public_key()).map_err(crypto)?,
        chain_der: vec![root.certificate_der.clone()],
        not_after: plan.validity.not_after,
    };
    store(tx, keys, certified, &key).await
}

/// The first number whose name is not taken.
pub(super) fn next_number(all: &[CaKey], stem: &str) -> usize {
    let is_taken = |number: &usize| {
        let name = numbered(stem, *number);
        all.iter().any(|one| one.name == name)
    };
    (1..).find(|number| !is_taken(number)).unwrap_or(usize::MAX)
}

fn numbered(stem: &str, number: usize) -> String {
    match number {
        1 => stem.to_owned(),
        more => format!("{stem}-{more}"),
    }
}

/// Seals the key for a row of its own and stores it.
pub(super) async fn store(
    tx: &mut Tx,
    keys: &Keyring,
    certified: Certified,
    key: &PrivateKey,
) -> Result<CaKey, Error> {
    let id = ca_key::draw_id(&mut *tx).await?;
    let row = id.to_string();
    let key_sealed = keys
        .seal(Place::new("ca_key", "key_sealed", &row), key.pkcs8_der())
        .map_err(crypto)?;
    let row = CaKey {
        id,
        name: certified.name,
        parent_id: certified.parent_id,
        certificate_der: certified.certificate_der,
        chain_der: certified.chain_der,
        not_after: certified.not_after,
        kek_id: keys.current().id().to_string(),
        key_sealed,
        retired_at: None,
    };
    ca_key::insert(&mut *tx, &row).await?;
    Ok(row)
}

/// The key of a stored authority.
pub(crate) fn open(keys: &Keyring, row: &CaKey) -> Result<PrivateKey, Error> {
    let text = row.id.to_string();
    let der = keys
        .open(Place::new("ca_key", "key_sealed", &text), &row.key_sealed)
        .map_err(crypto)?;
    PrivateKey::from_der(&der).map_err(crypto)
}

/// The settings of a local issuer that signs with this authority.
pub(crate) fn config(row: &CaKey) -> serde_json::Value {
    let chain = std::iter::once(&row.certificate_der).chain(&row.chain_der);
    let pem: String = chain.map(|der| certificate_pem(der)).collect();
    serde_json::json!({ "chain_pem": pem })
}

async fn plan(
    tx: &mut Tx,
    common_name: String,
    life: Duration,
    end: Option<OffsetDateTime>,
    path_len: u8,
) -> Result<CaPlan, Error> {
    let now = clock::now(&mut *tx).await?;
    Ok(CaPlan {
        common_name,
        organization: None,
        serial: Serial::from_random(random::bytes().map_err(crypto)?),
        validity: Validity::plan(now, life, end.unwrap_or(now + life)),
        path_len,
    })
}

pub(super) fn crypto(why: impl std::fmt::Display) -> Error {
    Error::Crypto(why.to_string())
}
