//! Making a key.

use super::{audit_row, require_admin};
use crate::context::commit;
use crate::idempotency::{remember, replay};
use crate::{Caller, Context, Error, FieldFault, Idempotency, Role};
use certmill_crypto::token;
use certmill_domain::api_key::{LIFE_MAX, LIFE_MIN, NAME_LEN_MAX, is_name};
use certmill_pg::Tx;
use certmill_store::api_key::{self, ApiKey, NewApiKey};
use certmill_store::audit;
use serde::{Deserialize, Serialize};
use time::Duration;

/// A key that is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its name; several keys may share one.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// How long it lives; without an end if none.
    pub life: Option<Duration>,
}

/// A new key with its secret, to be shown once.
pub struct Made {
    /// The row.
    pub key: ApiKey,
    /// The key itself.
    pub secret: token::ApiKey,
}

/// What is kept of an answer that showed a secret: which key it was.
#[derive(Serialize, Deserialize)]
pub(super) struct ShownOnce {
    key: String,
}

impl ShownOnce {
    /// What a repeat is told; the secret is not stored, so it cannot be shown again.
    pub(super) fn refusal(self) -> Error {
        Error::SecretShownOnce { key: self.key }
    }

    /// What is stored of this answer.
    pub(super) fn of(key: &ApiKey) -> Self {
        Self {
            key: key.id.to_string(),
        }
    }
}

/// Makes a key.
///
/// # Errors
/// [`Error::Forbidden`] for whoever is no admin or asks for more than it may do itself,
/// [`Error::Invalid`] with all faults, [`Error::SecretShownOnce`] for a repeat.
pub async fn add(
    context: &Context,
    caller: &Caller,
    ask: Ask,
    idempotency: Option<&Idempotency>,
) -> Result<Made, Error> {
    require_admin(caller)?;
    if ask.role > caller.role {
        return Err(Error::Forbidden(caller.role.as_str()));
    }
    let faults = faults(&ask.name, ask.life);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let mut tx = context.begin().await?;
    if let Some(shown) = replay::<ShownOnce>(&mut tx, caller, idempotency).await? {
        return Err(shown.refusal());
    }
    let wish = Wish {
        name: &ask.name,
        role: ask.role.as_str(),
        life: ask.life,
        replaces: None,
    };
    let made = insert_new(&mut tx, caller, &wish).await?;
    audit::append(&mut tx, &[audit_row(caller, "key.add", &made.key)]).await?;
    remember(&mut tx, caller, idempotency, &ShownOnce::of(&made.key)).await?;
    commit(tx).await?;
    Ok(made)
}

/// A key that passed all checks.
pub(super) struct Wish<'a> {
    pub name: &'a str,
    pub role: &'a str,
    pub life: Option<Duration>,
    pub replaces: Option<certmill_domain::ids::ApiKeyId>,
}

/// Draws a key and stores its hash.
pub(super) async fn insert_new(
    tx: &mut Tx,
    caller: &Caller,
    wish: &Wish<'_>,
) -> Result<Made, Error> {
    let secret = token::ApiKey::generate().map_err(|why| Error::Crypto(why.to_string()))?;
    let row = NewApiKey {
        team_id: caller.team_id,
        name: wish.name,
        role: wish.role,
        prefix: secret.id(),
        secret_sha256: &secret.hash(),
        life: wish.life,
        created_by: &caller.actor,
        replaces: wish.replaces,
    };
    let key = api_key::insert(&mut *tx, &row).await?;
    Ok(Made { key, secret })
}

/// All faults of a name and a life.
pub(super) fn faults(name: &str, life: Option<Duration>) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if !is_name(name) {
        let why = format!("a key's name has 1 to {NAME_LEN_MAX} of letters, digits, `.`, `_`, `-`");
        faults.push(FieldFault::new("/name", "name_form", why));
    }
    faults.extend(life_fault(life));
    faults
}

/// The fault of a life that is too short or too long.
pub(super) fn life_fault(life: Option<Duration>) -> Option<FieldFault> {
    let out = life.is_some_and(|life| !(LIFE_MIN..=LIFE_MAX).contains(&life));
    out.then(|| {
        let (least, most) = (LIFE_MIN.whole_seconds(), LIFE_MAX.whole_seconds());
        let why = format!("must be {least}..{most}; leave it out for a key without an end");
        FieldFault::new("/expires_in_s", "out_of_bounds", why)
    })
}
