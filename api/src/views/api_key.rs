//! API keys as they are shown.

use certmill_service::keys::{First, Made, Rotated};
use certmill_settings::Secret;
use certmill_store::api_key::ApiKey;
use certmill_wire::{KeyView, NewKeyView};

/// A key without its secret.
pub(crate) fn api_key(row: ApiKey) -> KeyView {
    KeyView {
        id: row.id.to_string(),
        name: row.name,
        role: row.role,
        prefix: format!("cm_{}", row.prefix),
        state: row.state.as_str().to_owned(),
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
        revoked_by: row.revoked_by,
        revoke_reason: row.revoke_reason,
        replaces: row.replaces.map(|id| id.to_string()),
    }
}

/// A new key with its secret.
pub(crate) fn made(made: Made) -> NewKeyView {
    NewKeyView {
        key: api_key(made.key),
        secret: Some(Secret::from(made.secret.expose())),
        replaced: None,
    }
}

/// A new key with its secret, and the one whose place it takes.
pub(crate) fn rotated(rotated: Rotated) -> NewKeyView {
    NewKeyView {
        replaced: Some(api_key(rotated.old)),
        ..made(rotated.new)
    }
}

/// The first admin's key, with its secret where it was drawn here.
pub(crate) fn first(first: First) -> NewKeyView {
    NewKeyView {
        key: api_key(first.key),
        secret: first.secret.map(|secret| Secret::from(secret.expose())),
        replaced: None,
    }
}
