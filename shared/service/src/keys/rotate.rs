//! Replacing a key without an outage: both are valid until the overlap ends.

use super::add::{ShownOnce, Wish, insert_new, life_fault};
use super::{Made, audit_row, require_admin};
use crate::context::commit;
use crate::error::or_not_found;
use crate::idempotency::{remember, replay};
use crate::{Caller, Context, Error, FieldFault, Idempotency};
use certmill_domain::api_key::{KeyState, OVERLAP_MAX, successor_life};
use certmill_domain::ids::ApiKeyId;
use certmill_store::api_key::{self, ApiKey};
use certmill_store::audit;
use time::Duration;

/// A key and the one that takes its place.
pub struct Rotated {
    /// The successor, with its secret.
    pub new: Made,
    /// The old one, with its new end.
    pub old: ApiKey,
}

/// Makes a key of the same name and role, and lets the old one end with the overlap or sooner.
/// Without a `life` the successor lives as long as the old one was meant to.
///
/// # Errors
/// [`Error::NotFound`], alike for a foreign team's; [`Error::Forbidden`]; [`Error::Invalid`];
/// [`Error::Conflict`] `key_ended` or `key_replaced`; [`Error::SecretShownOnce`] for a repeat.
pub async fn rotate(
    context: &Context,
    caller: &Caller,
    id: ApiKeyId,
    overlap: Duration,
    life: Option<Duration>,
    idempotency: Option<&Idempotency>,
) -> Result<Rotated, Error> {
    require_admin(caller)?;
    let faults: Vec<FieldFault> = overlap_fault(overlap)
        .into_iter()
        .chain(life_fault(life))
        .collect();
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let mut tx = context.begin().await?;
    if let Some(shown) = replay::<ShownOnce>(&mut tx, caller, idempotency).await? {
        return Err(shown.refusal());
    }
    let old = api_key::lock(&mut tx, caller.team_id, id)
        .await
        .map_err(or_not_found("API key"))?;
    if old.state != KeyState::Valid {
        return Err(Error::Conflict {
            code: "key_ended",
            detail: format!("{id} is {}; only a valid key can be replaced", old.state),
        });
    }
    if let Some(successor) = api_key::successor(&mut tx, id).await? {
        return Err(Error::Conflict {
            code: "key_replaced",
            detail: format!("{successor} took the place of {id} already; replace that one"),
        });
    }
    let wish = Wish {
        name: &old.name,
        role: &old.role,
        life: life.or_else(|| successor_life(old.created_at, old.expires_at)),
        replaces: Some(id),
    };
    let new = insert_new(&mut tx, caller, &wish).await?;
    let old = api_key::end_within(&mut tx, id, overlap).await?;
    audit::append(&mut tx, &[audit_row(caller, "key.rotate", &new.key)]).await?;
    remember(&mut tx, caller, idempotency, &ShownOnce::of(&new.key)).await?;
    commit(tx).await?;
    Ok(Rotated { new, old })
}

fn overlap_fault(overlap: Duration) -> Option<FieldFault> {
    let out = !(Duration::ZERO..=OVERLAP_MAX).contains(&overlap);
    out.then(|| {
        let why = format!("must be 0..{}", OVERLAP_MAX.whole_seconds());
        FieldFault::new("/overlap_s", "out_of_bounds", why)
    })
}
