//! Rollover: a new key takes over, the old one's certificates stay valid.

use super::make;
use crate::context::{begin, commit};
use crate::error::or_not_found;
use crate::{Caller, Error};
use certmill_crypto::seal::Keyring;
use certmill_domain::ids::TeamId;
use certmill_pg::{Pool, Tx};
use certmill_store::audit;
use certmill_store::ca_key::{self, CaKey};
use certmill_store::event::{self, NewEvent};
use certmill_store::issuer::{self, Issuer};

/// What a rollover did.
#[derive(Debug, Clone)]
pub struct Rolled {
    /// The authority that signed until now.
    pub before: CaKey,
    /// The one that signs from now on.
    pub after: CaKey,
}

/// Makes a new issuing CA below our newest root, and moves an issuer to it. Running workers see it
/// with their next order; orders that stand are drawn anew for it.
///
/// # Errors
/// [`Error::NotFound`] for no such issuer; [`Error::Conflict`] `issuer_has_no_authority`, or
/// `root_elsewhere` where the root's key is not ours; [`Error::Crypto`] if the root's key does not open.
pub async fn roll(
    owner: &Pool,
    keys: &Keyring,
    team: TeamId,
    issuer_name: &str,
) -> Result<Rolled, Error> {
    let mut tx = begin(owner).await?;
    let row = issuer::lock_by_name(&mut tx, team, issuer_name)
        .await
        .map_err(or_not_found("issuer"))?;
    let before = current(&mut tx, &row).await?;
    if before.parent_id.is_none() {
        return Err(Error::Conflict {
            code: "root_elsewhere",
            detail: format!(
                "{} was imported, and the key above it is not here; have a new CA signed there, \
                 then run `certmill ca import NAME --issuer {issuer_name} ..`",
                before.name
            ),
        });
    }
    let all = ca_key::list(&mut tx).await?;
    let is_root = |one: &&CaKey| is_own_root(one);
    let newest = all.iter().rev().find(is_root);
    let root = newest.ok_or(Error::NotFound("root that is not retired"))?;
    let number = make::next_number(&all, "issuing");
    let after = make::issuing(&mut tx, keys, root, number).await?;
    move_to(&mut tx, &row, &after, "ca.roll").await?;
    commit(tx).await?;
    Ok(Rolled { before, after })
}

/// Makes a new root and nothing below it: it becomes a trust anchor at once, so that clients know it
/// before the next [`roll`] signs with it.
///
/// # Errors
/// [`Error::Crypto`]; failures of the database.
pub async fn roll_root(owner: &Pool, keys: &Keyring) -> Result<CaKey, Error> {
    let mut tx = begin(owner).await?;
    let all = ca_key::list(&mut tx).await?;
    let root = make::root(&mut tx, keys, make::next_number(&all, "root")).await?;
    note(&mut tx, TeamId::DEFAULT, "ca.roll_root", &root, None).await?;
    commit(tx).await?;
    Ok(root)
}

/// Whether this is a root of ours that may sign authorities.
pub(super) fn is_own_root(row: &CaKey) -> bool {
    row.chain_der.is_empty() && row.retired_at.is_none()
}

/// The authority that an issuer signs with.
pub(super) async fn current(tx: &mut Tx, issuer: &Issuer) -> Result<CaKey, Error> {
    match issuer.ca_key_id {
        Some(id) => Ok(ca_key::by_id(&mut *tx, id).await?),
        None => Err(Error::Conflict {
            code: "issuer_has_no_authority",
            detail: format!("the issuer {} signs with no key of ours", issuer.name),
        }),
    }
}

/// Moves an issuer to an authority: row, event and audit row.
pub(super) async fn move_to(
    tx: &mut Tx,
    issuer: &Issuer,
    to: &CaKey,
    action: &'static str,
) -> Result<(), Error> {
    issuer::sign_with(&mut *tx, issuer.id, to.id, &make::config(to)).await?;
    let event = NewEvent {
        team_id: issuer.team_id,
        topic: "issuer",
        object: issuer.id.to_string(),
        code: "authority_changed",
        detail: serde_json::json!({ "authority": to.name }),
    };
    event::append(&mut *tx, &[event]).await?;
    note(tx, issuer.team_id, action, to, Some(issuer)).await
}

/// The audit row of what an operator did to an authority.
pub(super) async fn note(
    tx: &mut Tx,
    team_id: TeamId,
    action: &'static str,
    authority: &CaKey,
    issuer: Option<&Issuer>,
) -> Result<(), Error> {
    let detail = serde_json::json!({ "issuer": issuer.map(|one| one.name.clone()) });
    let row = Caller::system_for("operator", team_id).audit(action, &authority.name, detail);
    Ok(audit::append(tx, &[row]).await?)
}
