//! An authority from elsewhere, such as a sub-CA below an organisation's root.
//!
//! Invariant: everything that can be checked is checked before the first row is written, and a
//! refusal leaves nothing.

use super::make::{self, Certified, crypto};
use super::roll::{current, is_own_root, move_to, note};
use crate::context::{begin, commit};
use crate::error::or_not_found;
use crate::{Error, bootstrap};
use certmill_crypto::ca::{Hierarchy, LeafPlan, Purpose, SigningCa};
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_crypto::seal::Keyring;
use certmill_domain::ids::TeamId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::profile::Profile;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_pg::{Pool, Tx};
use certmill_queue::lane::{self, Lane};
use certmill_store::ca_key::{self, CaKey};
use certmill_store::issuer::{self, Issuer};
use certmill_store::{clock, profile};
use time::{Duration, OffsetDateTime};

/// Longest name of an authority or an issuer.
const NAME_MAX: usize = 63;
/// A throw-away certificate proves that the authority can sign; it lives no longer than this.
const PROOF_LIFE: Duration = Duration::minutes(1);
const PAGE: i64 = 500;

/// What is imported.
pub struct Import {
    /// The authority's name here.
    pub name: String,
    /// Its certificate and all above it with the root, in DER and any order.
    pub certificates: Vec<Vec<u8>>,
    /// Its key.
    pub key: PrivateKey,
    /// Who signs with it.
    pub to: Target,
}

/// Who signs with an imported authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The issuer of that name, from now on.
    Issuer(String),
    /// A new issuer of that name.
    New(String),
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The authority.
    pub authority: CaKey,
    /// What an operator should know, a sentence each.
    pub warnings: Vec<String>,
    /// Earlier authorities that never signed anything and were retired, by name.
    pub retired: Vec<String>,
}

/// Checks and stores an authority, and lets an issuer sign with it, in one transaction.
///
/// # Errors
/// [`Error::Conflict`] with the code of the fault (a hierarchy that cannot issue, a name that is
/// taken); [`Error::NotFound`] for no such issuer; failures of the database.
pub async fn import(
    owner: &Pool,
    keys: &Keyring,
    team: TeamId,
    import: Import,
) -> Result<Imported, Error> {
    require_name("authority", &import.name)?;
    let mut tx = begin(owner).await?;
    let now = clock::now(&mut tx).await?;
    let hierarchy = Hierarchy::check(import.certificates, &import.key, now)
        .map_err(|why| refused(why.code(), &why))?;
    let signing = prove(&hierarchy, import.key.pkcs8_der(), now)?;
    if ca_key::by_name(&mut tx, &import.name).await?.is_some() {
        return Err(taken("authority", &import.name));
    }
    let certified = Certified {
        name: import.name,
        parent_id: None,
        certificate_der: hierarchy.issuing_der().to_vec(),
        chain_der: hierarchy.above().to_vec(),
        not_after: hierarchy.not_after(),
    };
    let authority = make::store(&mut tx, keys, certified, &import.key).await?;
    let mut retired = Vec::new();
    let issuer = match &import.to {
        Target::Issuer(name) => {
            let row = issuer::lock_by_name(&mut tx, team, name)
                .await
                .map_err(or_not_found("issuer"))?;
            let before = current(&mut tx, &row).await?;
            move_to(&mut tx, &row, &authority, "ca.import").await?;
            retired = retire_unused(&mut tx, &before).await?;
            row
        }
        Target::New(name) => new_issuer(&mut tx, team, name, &authority).await?,
    };
    let mut warnings = warnings(&mut tx, team, &issuer, &signing, now).await?;
    if !hierarchy.signs_crls() {
        warnings.push(
            "its key usage lacks cRLSign: no revocation list is made for it, and its certificates \
             name none; what is revoked is told by OCSP alone"
                .to_owned(),
        );
    }
    commit(tx).await?;
    Ok(Imported {
        authority,
        warnings,
        retired,
    })
}

/// Signs a throw-away certificate, so that what only shows on signing shows before it is stored.
fn prove(hierarchy: &Hierarchy, pkcs8_der: &[u8], now: OffsetDateTime) -> Result<SigningCa, Error> {
    let key = PrivateKey::from_der(pkcs8_der).map_err(crypto)?;
    let signing = SigningCa::below(hierarchy.issuing_der(), hierarchy.above(), key)
        .map_err(|why| refused(why.code(), &why))?;
    let leaf = PrivateKey::generate(KeyAlgorithm::EcdsaP256).map_err(crypto)?;
    let plan = LeafPlan {
        serial: Serial::from_random(random::bytes().map_err(crypto)?),
        validity: Validity::plan(now, PROOF_LIFE, hierarchy.not_after()),
        names: Names::parse(["proof.invalid"]).map_err(crypto)?,
        public_key: leaf.public_key().clone(),
        purposes: vec![Purpose::ServerAuth],
        status: None,
    };
    match signing.sign_leaf(&plan) {
        // Constraints are honoured, not removed: that they refuse this name is as it should be.
        Ok(_) | Err(certmill_crypto::ca::CaError::NameConstraint { .. }) => Ok(signing),
        Err(why) => Err(refused(why.code(), &why)),
    }
}

async fn new_issuer(
    tx: &mut Tx,
    team: TeamId,
    name: &str,
    authority: &CaKey,
) -> Result<Issuer, Error> {
    require_name("issuer", name)?;
    let queue = format!("issue:{name}");
    let lane = Lane {
        name: queue.clone(),
        needs_key: true,
    };
    lane::declare(&mut *tx, &lane).await?;
    let config = make::config(authority);
    let made = issuer::insert(
        &mut *tx,
        team,
        name,
        "local",
        &config,
        Some(authority.id),
        &queue,
    );
    let id = match made.await {
        Err(why) if why.is_conflict_on("issuer_name_unique") => return Err(taken("issuer", name)),
        made => made?,
    };
    let row = issuer::by_id(&mut *tx, id).await?;
    note(tx, team, "ca.import", authority, Some(&row)).await?;
    Ok(row)
}

/// Retires an authority that never signed and is asked for nothing, and its root if nothing else of
/// ours hangs below that: an organisation that brings its own CA never sees ours.
async fn retire_unused(tx: &mut Tx, before: &CaKey) -> Result<Vec<String>, Error> {
    let users = issuer::with_authority(&mut *tx).await?;
    if users.iter().any(|one| one.ca_key_id == Some(before.id))
        || ca_key::was_used(&mut *tx, before.id).await?
    {
        return Ok(Vec::new());
    }
    ca_key::retire(&mut *tx, before.id).await?;
    let mut retired = vec![before.name.clone()];
    let all = ca_key::in_force(&mut *tx).await?;
    let parent = all.iter().find(|one| Some(one.id) == before.parent_id);
    if let Some(root) = parent.filter(|one| is_own_root(one))
        && all.iter().all(|one| one.parent_id != Some(root.id))
    {
        ca_key::retire(&mut *tx, root.id).await?;
        retired.push(root.name.clone());
    }
    Ok(retired)
}

/// What the profiles of this issuer may meet.
async fn warnings(
    tx: &mut Tx,
    team: TeamId,
    issuer: &Issuer,
    signing: &SigningCa,
    now: OffsetDateTime,
) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    let mut after = None;
    loop {
        let page = profile::list(&mut *tx, team, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(warnings);
        };
        after = Some(last.id);
        for profile in page.iter().filter(|one| one.issuer_id == issuer.id) {
            warnings.extend(short_life(profile, signing, now));
            warnings.extend(outside(profile, signing));
        }
    }
}

fn short_life(profile: &Profile, signing: &SigningCa, now: OffsetDateTime) -> Option<String> {
    (now + profile.lifetime > signing.not_after()).then(|| {
        format!(
            "certificates of the profile {} will be cut short: the authority, or one above it, ends \
             at {}",
            profile.name,
            signing.not_after()
        )
    })
}

fn outside(profile: &Profile, signing: &SigningCa) -> Option<String> {
    if !signing.is_constrained() {
        return None;
    }
    if profile.name == bootstrap::CONTROL_PROFILE {
        return Some(format!(
            "the name constraints count for certmill's own certificate too (profile {}): if they \
             exclude this host's names, localhost or its addresses, give it one by tls.cert_file",
            profile.name
        ));
    }
    if profile.allowed_names.is_empty() {
        return Some(format!(
            "the profile {} allows any name, but names outside the name constraints will be refused",
            profile.name
        ));
    }
    let refused = |name: &&String| {
        let parsed = Names::parse([name.as_str()]);
        parsed.is_ok_and(|names| signing.admit(&names).is_err())
    };
    let names: Vec<&str> = profile
        .allowed_names
        .iter()
        .filter(refused)
        .map(String::as_str)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "the profile {} allows {}, which the name constraints exclude at least in part",
            profile.name,
            names.join(", ")
        )
    })
}

fn require_name(what: &str, name: &str) -> Result<(), Error> {
    let fits =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && name.len() <= NAME_MAX && name.chars().all(fits) {
        return Ok(());
    }
    Err(Error::Conflict {
        code: "name_form",
        detail: format!(
            "the name of an {what} is 1..{NAME_MAX} lower-case letters, digits, . _ - and begins \
             with a letter or a digit"
        ),
    })
}

fn taken(what: &str, name: &str) -> Error {
    Error::Conflict {
        code: "name_taken",
        detail: format!("there is an {what} of the name {name} already; choose another one"),
    }
}

fn refused(code: &'static str, why: &impl ToString) -> Error {
    Error::Conflict {
        code,
        detail: why.to_string(),
    }
}
