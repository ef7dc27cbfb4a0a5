//! Issuers: made by an admin with their lane and budgets, listed by everybody.

use crate::{Caller, Context, Error, Role};
use certmill_coordination::budget;
use certmill_domain::budget::Scope;
use certmill_domain::ids::IssuerId;
use certmill_queue::lane::{self, Lane};
use certmill_store::audit;
use certmill_store::issuer::{self, Issuer};

/// How many jobs of an issuer that calls out run at once.
const IN_FLIGHT: i32 = 25;

/// An issuer that is asked for. Kind and settings were checked by the connector before.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its name.
    pub name: String,
    /// The connector's kind.
    pub kind: &'static str,
    /// The connector's settings.
    pub config: serde_json::Value,
    /// What its CA may be asked for.
    pub budgets: Vec<BudgetAsk>,
}

/// A budget that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetAsk {
    /// By what it counts.
    pub scope: Scope,
    /// New orders in any window.
    pub most: i32,
    /// The window in seconds.
    pub window_s: i64,
    /// How many of `most` are for what is most urgent.
    pub reserve: i32,
}

/// A page of the team's issuers after `after`.
///
/// # Errors
/// Failures of the database.
pub async fn list(
    context: &Context,
    caller: &Caller,
    after: Option<IssuerId>,
    limit: i64,
) -> Result<Vec<Issuer>, Error> {
    let mut tx = context.begin().await?;
    Ok(issuer::list(&mut tx, caller.team_id, after, limit).await?)
}

/// Makes an issuer that calls out, with a lane of its own.
///
/// # Errors
/// [`Error::Forbidden`]; [`Error::Conflict`] `issuer_exists`; failures of the database.
pub async fn add(context: &Context, caller: &Caller, ask: &Ask) -> Result<IssuerId, Error> {
    if caller.role < Role::Admin {
        return Err(Error::Forbidden(caller.role.as_str()));
    }
    let mut tx = context.begin().await?;
    let lane = Lane {
        name: format!("issue:{}", ask.name),
        needs_key: false,
    };
    lane::declare(&mut tx, &lane).await?;
    lane::set_limit(&mut tx, &lane.name, Some(IN_FLIGHT)).await?;
    let made = issuer::insert(
        &mut tx,
        caller.team_id,
        &ask.name,
        ask.kind,
        &ask.config,
        None,
        &lane.name,
    )
    .await;
    let id = made.map_err(|why| match why.is_conflict_on("issuer_name_unique") {
        true => Error::Conflict {
            code: "issuer_exists",
            detail: format!("there is an issuer {} already", ask.name),
        },
        false => why.into(),
    })?;
    for one in &ask.budgets {
        let scope = one.scope.as_str();
        budget::set(&mut tx, id.0, scope, one.most, one.window_s, one.reserve).await?;
    }
    let detail = serde_json::json!({ "kind": ask.kind, "budgets": ask.budgets.len() });
    let row = caller.audit("issuer.add", id, detail);
    audit::append(&mut tx, &[row]).await?;
    crate::context::commit(tx).await?;
    Ok(id)
}
