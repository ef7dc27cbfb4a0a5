//! Profiles: made by an admin, listed by everybody.

use crate::{Caller, Context, Error, FieldFault, Role};
use certmill_domain::ids::{IssuerId, ProfileId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::profile::{KeySource, Profile, check_bounds};
use certmill_domain::renewal::RenewalRule;
use certmill_store::audit::{self, NewAudit};
use certmill_store::{issuer, profile};
use time::Duration;

/// The name of the issuer that is used when none is named.
pub const DEFAULT_ISSUER: &str = "local";

/// A profile that is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its name.
    pub name: String,
    /// The issuer's name; the local one if none.
    pub issuer: Option<String>,
    /// How long a version lives.
    pub lifetime: Duration,
    /// Accepted subject keys; P-256 if none are named.
    pub key_algorithms: Vec<KeyAlgorithm>,
    /// Who makes the private key.
    pub key_source: KeySource,
    /// When a version is renewed.
    pub renewal: RenewalRule,
    /// Patterns of names that may be asked for; empty allows all.
    pub allowed_names: Vec<String>,
}

impl Ask {
    /// A profile of this issuer as most are: P-256 keys that their users make, any names, renewal
    /// after two thirds of the life.
    #[must_use]
    pub fn usual(name: &str, issuer: &str, lifetime: Duration) -> Self {
        Self {
            name: name.to_owned(),
            issuer: Some(issuer.to_owned()),
            lifetime,
            key_algorithms: vec![KeyAlgorithm::EcdsaP256],
            key_source: KeySource::Csr,
            renewal: RenewalRule::default(),
            allowed_names: Vec::new(),
        }
    }
}

/// A profile with the name of its issuer.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The profile.
    pub profile: Profile,
    /// Its issuer's name.
    pub issuer: String,
}

/// Makes a profile.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`] with all faults, [`Error::Conflict`] `profile_exists`.
pub async fn add(context: &Context, caller: &Caller, ask: Ask) -> Result<Shown, Error> {
    if caller.role < Role::Admin {
        return Err(Error::Forbidden(caller.role.as_str()));
    }
    let mut faults = name_faults(&ask.name);
    let keys = if ask.key_algorithms.is_empty() {
        vec![KeyAlgorithm::EcdsaP256]
    } else {
        ask.key_algorithms
    };
    if let Err(found) = check_bounds(
        ask.lifetime,
        ask.renewal,
        &keys,
        context.policy.process_lease,
    ) {
        faults.extend(
            found
                .iter()
                .map(|why| FieldFault::new(why.pointer(), why.code(), why)),
        );
    }
    if ask.key_source == KeySource::Sealed && !context.policy.acknowledge_sealed_keys {
        let why = "server-made keys must be acknowledged: set acknowledge_sealed_keys = true in the settings";
        faults.push(FieldFault::new(
            "/key_source",
            "sealed_keys_not_acknowledged",
            why,
        ));
    }
    let mut tx = context.begin().await?;
    let issuer_name = ask.issuer.as_deref().unwrap_or(DEFAULT_ISSUER);
    let issuer = match issuer::by_name(&mut tx, caller.team_id, issuer_name).await {
        Ok(found) => Some(found),
        Err(certmill_store::Error::NotFound) => {
            let why = "no issuer of that name; `certmill issuers list` shows them";
            faults.push(FieldFault::new("/issuer", "issuer_unknown", why));
            None
        }
        Err(other) => return Err(other.into()),
    };
    let Some(issuer) = issuer.filter(|_| faults.is_empty()) else {
        return Err(Error::Invalid(faults));
    };
    let mut made = Profile {
        id: ProfileId(uuid::Uuid::nil()),
        team_id: caller.team_id,
        name: ask.name,
        issuer_id: issuer.id,
        lifetime: ask.lifetime,
        key_algorithms: keys,
        key_source: ask.key_source,
        renewal: ask.renewal,
        allowed_names: ask.allowed_names,
    };
    made.id = profile::insert(&mut tx, &made)
        .await
        .map_err(|error| exists(error, &made.name))?;
    audit::append(&mut tx, &[made_audit(caller, &made)]).await?;
    crate::context::commit(tx).await?;
    Ok(Shown {
        profile: made,
        issuer: issuer.name,
    })
}

fn exists(error: certmill_store::Error, name: &str) -> Error {
    if error.is_conflict_on("profile_name_unique") {
        return Error::Conflict {
            code: "profile_exists",
            detail: format!("there is a profile {name} already; choose another name"),
        };
    }
    error.into()
}

fn name_faults(name: &str) -> Vec<FieldFault> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= 63 && name.chars().all(plain) {
        return Vec::new();
    }
    let why = "a profile's name has 1 to 63 characters of a-z, 0-9 and hyphen";
    vec![FieldFault::new("/name", "name_form", why)]
}

fn made_audit(caller: &Caller, made: &Profile) -> NewAudit {
    let detail = serde_json::json!({
        "name": made.name,
        "lifetime_s": made.lifetime.whole_seconds(),
        "key_source": made.key_source.as_str(),
    });
    caller.audit("profile.add", made.id, detail)
}

/// A page of the team's profiles after `after`.
///
/// # Errors
/// Failures of the database.
pub async fn list(
    context: &Context,
    caller: &Caller,
    after: Option<ProfileId>,
    limit: i64,
) -> Result<Vec<Shown>, Error> {
    let mut tx = context.begin().await?;
    let profiles = profile::list(&mut tx, caller.team_id, after, limit).await?;
    let mut shown = Vec::with_capacity(profiles.len());
    let mut names: std::collections::HashMap<IssuerId, String> = std::collections::HashMap::new();
    for profile in profiles {
        let issuer = match names.get(&profile.issuer_id) {
            Some(known) => known.clone(),
            None => issuer::by_id(&mut tx, profile.issuer_id).await?.name,
        };
        names.insert(profile.issuer_id, issuer.clone());
        shown.push(Shown { profile, issuer });
    }
    Ok(shown)
}
