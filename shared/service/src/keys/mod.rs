//! API keys: made, shown, ended, replaced; the first admin's; and the check of every request's.
//!
//! Invariant: a secret leaves this module once, in the answer of the call that drew it. Rows, audit
//! rows and stored answers carry hashes and prefixes only.

mod add;
mod authenticate;
mod first;
mod read;
mod revoke;
mod rotate;
mod uses;

pub use add::{Ask, Made, add};
pub use authenticate::{Principal, Proof, authenticate};
pub use first::{First, FirstAsk, Standing, bootstrap, door_is_open, register_first, standing};
pub use read::{Filter, by_id, list};
pub use revoke::revoke;
pub use rotate::{Rotated, rotate};
pub use uses::mark_used;

use crate::{Caller, Error, Role};
use certmill_store::api_key::ApiKey;
use certmill_store::audit::NewAudit;

/// Keys belong to admins.
fn require_admin(caller: &Caller) -> Result<(), Error> {
    if caller.role < Role::Admin {
        return Err(Error::Forbidden(caller.role.as_str()));
    }
    Ok(())
}

/// What is written down about a change of a key; its prefix is no secret.
fn audit_row(caller: &Caller, action: &'static str, key: &ApiKey) -> NewAudit {
    let detail = serde_json::json!({
        "name": key.name,
        "role": key.role,
        "prefix": key.prefix,
        "expires_at": key.expires_at.map(|at| at.unix_timestamp()),
        "replaces": key.replaces.map(|id| id.to_string()),
        "reason": key.revoke_reason,
    });
    caller.audit(action, key.id, detail)
}
