//! The first rows of an empty database: root, issuing CA, the issuer `local` and its profiles.
//!
//! Invariant: made once, by the migrating role, under a unique constraint. A second maker finds
//! them or loses the race, and in both cases reads what the first one made.

use crate::authorities::make;
use crate::context::{begin, commit};
use crate::{Error, certificates, keks, profiles};
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::seal::Keyring;
use certmill_domain::ids::{IssuerId, ProfileId, TeamId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::profile::{KeySource, Profile};
use certmill_domain::renewal::RenewalRule;
use certmill_domain::schedule;
use certmill_pg::{Pool, Tx};
use certmill_queue::lane::{self, Lane};
use certmill_store::{ca_key, issuer, kek, profile};
use time::Duration;

/// The profile of the certificates that certmill's own API serves.
pub const CONTROL_PROFILE: &str = "certmill-api";
/// The lane of the local issuer; only workers that hold the ca KEK claim it.
pub const LOCAL_LANE: &str = "issue:local";

const ROOT: &str = "root";

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

async fn seed_once(owner: &Pool, ca_keys: &Keyring, app_keys: &Keyring) -> Result<(), Error> {
    let mut tx = begin(owner).await?;
    kek::lock(&mut tx).await?;
    register(&mut tx, "ca", ca_keys).await?;
    register(&mut tx, "app", app_keys).await?;
    if ca_key::by_name(&mut tx, ROOT).await?.is_some() {
        return commit(tx).await;
    }
    let root = make::root(&mut tx, ca_keys, 1).await?;
    let issuing = make::issuing(&mut tx, ca_keys, &root, 1).await?;
    for (name, needs_key) in [(schedule::LANE, false), (LOCAL_LANE, true)] {
        let name = name.to_owned();
        lane::declare(&mut tx, &Lane { name, needs_key }).await?;
    }
    let config = make::config(&issuing);
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

/// An empty database takes the id; one that knows others refuses a keyring that lacks one of them.
async fn register(tx: &mut Tx, purpose: &str, keys: &Keyring) -> Result<(), Error> {
    let known = kek::known(&mut *tx, purpose).await?;
    if known.is_empty() {
        return Ok(kek::register(&mut *tx, &keys.current().id().to_string(), purpose).await?);
    }
    let loaded: Vec<_> = keys.keks().cloned().collect();
    keks::require_all(purpose, &known, &loaded)
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
    make::open(ca_keys, &row)
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
