//! The first rows of an empty database: root, issuing CA, the issuer `local` and its profiles.
//!
//! Invariant: made once, by the migrating role, under a unique constraint. A second maker finds
//! them or loses the race, and in both cases reads what the first one made.

use crate::context::{begin, commit};
use crate::{Error, certificates, profiles};
use certmill_crypto::ca::{CaPlan, SigningCa, create_root};
use certmill_crypto::chain::certificate_pem;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_crypto::seal::{Keyring, Place};
use certmill_domain::ids::{IssuerId, ProfileId, TeamId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::profile::{KeySource, Profile};
use certmill_domain::renewal::RenewalRule;
use certmill_domain::schedule;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_pg::{Pool, Tx};
use certmill_queue::lane::{self, Lane};
use certmill_store::ca_key::{self, CaKey};
use certmill_store::{clock, issuer, kek, profile};
use time::Duration;

/// The profile of the certificates that certmill's own API serves.
pub const CONTROL_PROFILE: &str = "certmill-api";
/// The lane of the local issuer; only workers that hold the ca KEK claim it.
pub const LOCAL_LANE: &str = "issue:local";

const ROOT: &str = "root";
const ISSUING: &str = "issuing";
const ROOT_LIFE: Duration = Duration::days(3_650);
const ISSUING_LIFE: Duration = Duration::days(1_825);

/// Makes what is missing. The pool is the owner's; the keyrings are those of this installation.
///
/// # Errors
/// [`Error::Misconfigured`] if the database was written with another KEK; failures of the database.
pub async fn seed(owner: &Pool, ca_keys: &Keyring, app_keys: &Keyring) -> Result<(), Error> {
    match seed_once(owner, ca_keys, app_keys).await {
        Err(Error::Store(lost)) if lost.is_conflict_on("ca_key_name_unique") => {
            seed_once(owner, ca_keys, app_keys).await
        }
        done => done,
    }
}

/// Whether this database has its root already.
///
/// # Errors
/// Failures of the database.
pub async fn is_seeded(pool: &Pool) -> Result<bool, Error> {
    let mut tx = begin(pool).await?;
    Ok(ca_key::by_name(&mut tx, ROOT).await?.is_some())
}

/// The root's certificate in PEM: the trust anchor of the API and of the local issuer.
///
/// # Errors
/// [`Error::NotFound`] before [`seed`].
pub async fn root_pem(pool: &Pool) -> Result<String, Error> {
    let mut tx = begin(pool).await?;
    let root = ca_key::by_name(&mut tx, ROOT)
        .await?
        .ok_or(Error::NotFound("root"))?;
    Ok(certificate_pem(&root.certificate_der))
}

async fn seed_once(owner: &Pool, ca_keys: &Keyring, app_keys: &Keyring) -> Result<(), Error> {
    let mut tx = begin(owner).await?;
    kek::lock(&mut tx).await?;
    register(&mut tx, "ca", &ca_keys.current().id().to_string()).await?;
    register(&mut tx, "app", &app_keys.current().id().to_string()).await?;
    if ca_key::by_name(&mut tx, ROOT).await?.is_some() {
        return commit(tx).await;
    }
    let (root, root_ca) = make_root(&mut tx, ca_keys).await?;
    ca_key::insert(&mut tx, &root).await?;
    let issuing = make_issuing(&mut tx, ca_keys, &root, &root_ca).await?;
    ca_key::insert(&mut tx, &issuing).await?;
    for (name, needs_key) in [(schedule::LANE, false), (LOCAL_LANE, true)] {
        let name = name.to_owned();
        lane::declare(&mut tx, &Lane { name, needs_key }).await?;
    }
    let config = serde_json::json!({ "chain_pem": certificate_pem(&issuing.certificate_der) });
    let name = profiles::DEFAULT_ISSUER;
    let local = issuer::insert(
        &mut tx,
        TeamId::DEFAULT,
        name,
        "local",
        &config,
        Some(issuing.id),
        LOCAL_LANE,
    )
    .await?;
    let default = certificates::DEFAULT_PROFILE;
    profile::insert(&mut tx, &first_profile(default, local, Duration::days(47))).await?;
    profile::insert(
        &mut tx,
        &first_profile(CONTROL_PROFILE, local, Duration::days(30)),
    )
    .await?;
    commit(tx).await
}

/// An empty database takes the id; one that knows another id refuses this file.
async fn register(tx: &mut Tx<'_>, purpose: &str, id: &str) -> Result<(), Error> {
    let known = kek::known(&mut *tx, purpose).await?;
    if known.is_empty() {
        return Ok(kek::register(&mut *tx, id, purpose).await?);
    }
    if known.iter().any(|one| one == id) {
        return Ok(());
    }
    Err(Error::Misconfigured(format!(
        "the {purpose}.kek file has the key id {id}, this database was written with {}; \
         put the file of that id in place",
        known.join(", ")
    )))
}

async fn make_root(tx: &mut Tx<'_>, ca_keys: &Keyring) -> Result<(CaKey, SigningCa), Error> {
    let plan = ca_plan(tx, "certmill root", ROOT_LIFE, 1).await?;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384).map_err(crypto)?;
    let certificate_der = create_root(&plan, &key).map_err(crypto)?;
    let row = sealed_row(tx, ca_keys, ROOT, None, certificate_der, &plan, &key).await?;
    let ca = SigningCa::new(&row.certificate_der, key).map_err(crypto)?;
    Ok((row, ca))
}

async fn make_issuing(
    tx: &mut Tx<'_>,
    ca_keys: &Keyring,
    root: &CaKey,
    root_ca: &SigningCa,
) -> Result<CaKey, Error> {
    let plan = ca_plan(tx, "certmill issuing CA 1", ISSUING_LIFE, 0).await?;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(crypto)?;
    let certificate_der = root_ca.sign_ca(&plan, key.public_key()).map_err(crypto)?;
    sealed_row(
        tx,
        ca_keys,
        ISSUING,
        Some(root.id),
        certificate_der,
        &plan,
        &key,
    )
    .await
}

async fn ca_plan(
    tx: &mut Tx<'_>,
    name: &str,
    life: Duration,
    path_len: u8,
) -> Result<CaPlan, Error> {
    let now = clock::now(&mut *tx).await?;
    Ok(CaPlan {
        common_name: name.to_owned(),
        organization: None,
        serial: Serial::from_random(random::bytes().map_err(crypto)?),
        validity: Validity::plan(now, life, now + life),
        path_len,
    })
}

async fn sealed_row(
    tx: &mut Tx<'_>,
    ca_keys: &Keyring,
    name: &str,
    parent_id: Option<uuid::Uuid>,
    certificate_der: Vec<u8>,
    plan: &CaPlan,
    key: &PrivateKey,
) -> Result<CaKey, Error> {
    let id = ca_key::draw_id(&mut *tx).await?;
    let row = id.to_string();
    let key_sealed = ca_keys
        .seal(Place::new("ca_key", "key_sealed", &row), key.pkcs8_der())
        .map_err(crypto)?;
    Ok(CaKey {
        id,
        name: name.to_owned(),
        parent_id,
        certificate_der,
        not_after: plan.validity.not_after,
        kek_id: ca_keys.current().id().to_string(),
        key_sealed,
    })
}

/// The opened key of a local authority, for the worker that signs.
///
/// # Errors
/// [`Error::Crypto`] where the keyring does not open it.
pub async fn open_ca_key(
    pool: &Pool,
    ca_keys: &Keyring,
    id: uuid::Uuid,
) -> Result<PrivateKey, Error> {
    let mut tx = begin(pool).await?;
    let row = ca_key::by_id(&mut tx, id)
        .await
        .map_err(crate::error::or_not_found("CA key"))?;
    let text = row.id.to_string();
    let der = ca_keys
        .open(Place::new("ca_key", "key_sealed", &text), &row.key_sealed)
        .map_err(crypto)?;
    PrivateKey::from_der(&der).map_err(crypto)
}

fn first_profile(name: &str, issuer_id: IssuerId, lifetime: Duration) -> Profile {
    Profile {
        id: ProfileId(uuid::Uuid::nil()),
        team_id: TeamId::DEFAULT,
        name: name.to_owned(),
        issuer_id,
        lifetime,
        key_algorithms: KeyAlgorithm::ALL.to_vec(),
        key_source: KeySource::Csr,
        renewal: RenewalRule::default(),
        allowed_names: Vec::new(),
    }
}

fn crypto(why: impl std::fmt::Display) -> Error {
    Error::Crypto(why.to_string())
}
