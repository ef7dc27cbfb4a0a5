//! `certmill keys`.
//!
//! Invariant: a secret goes to its file or to stdout, and into no other line.

mod bootstrap;
mod made;

use certmill_wire::{ActionRequest, KeyView};

use crate::args::{KeysVerb, ListKeysArgs, RevokeKeyArgs};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::lookup;
use crate::output::instant;
use crate::session::Session;

/// Runs a verb of keys.
pub async fn run(verb: KeysVerb, session: &Session) -> Result<(), Failure> {
    match verb {
        KeysVerb::Add(args) => made::add(args, session).await,
        KeysVerb::List(args) => list(args, session).await,
        KeysVerb::Show(args) => show(&args.key, session).await,
        KeysVerb::Revoke(args) => revoke(args, session).await,
        KeysVerb::Rotate(args) => made::rotate(args, session).await,
        KeysVerb::Bootstrap(args) => bootstrap::run(args, session).await,
    }
}

async fn list(args: ListKeysArgs, session: &Session) -> Result<(), Failure> {
    let filter = certmill_wire::KeyFilter {
        name: args.name,
        state: args.state,
        paging: args.page.paging(),
    };
    let keys = session.client.keys(&filter).await;
    let keys = keys.map_err(|error| Failure::of_call("API keys", &error))?;
    let output = &session.output;
    if output.is_value() {
        return output.value(&keys);
    }
    let header = [
        "NAME",
        "ID",
        "ROLE",
        "STATE",
        "CREATED",
        "EXPIRES",
        "LAST USED",
    ];
    let rows: Vec<Vec<String>> = keys.data.iter().map(row).collect();
    output.rows(&header, &rows)?;
    output.note_next(keys.next_cursor.as_deref());
    Ok(())
}

fn row(key: &KeyView) -> Vec<String> {
    let or_never = |at: Option<_>| at.map_or_else(|| "never".to_owned(), instant);
    vec![
        key.name.clone(),
        key.id.clone(),
        key.role.clone(),
        key.state.clone(),
        instant(key.created_at),
        or_never(key.expires_at),
        or_never(key.last_used_at),
    ]
}

async fn show(typed: &str, session: &Session) -> Result<(), Failure> {
    let key = lookup::api_key(&session.client, typed).await?;
    print(&key, session)
}

async fn revoke(args: RevokeKeyArgs, session: &Session) -> Result<(), Failure> {
    confirm(args.yes, &format!("revoke API key {}", args.key))?;
    let key = lookup::api_key(&session.client, &args.key).await?;
    let ask = ActionRequest {
        reason: args.reason,
    };
    let revoked = session.client.revoke_key(&key.id, &ask).await;
    let revoked =
        revoked.map_err(|error| Failure::of_call(&format!("API key {}", key.id), &error))?;
    print(&revoked, session)?;
    session
        .output
        .note("every replica refuses it within 5 seconds");
    Ok(())
}

fn print(key: &KeyView, session: &Session) -> Result<(), Failure> {
    if session.output.is_value() {
        return session.output.value(key);
    }
    session.output.fields(&fields(key))
}

/// A key, field by field.
fn fields(key: &KeyView) -> Vec<(&'static str, String)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let at = |at: Option<_>| at.map(instant).unwrap_or_default();
    vec![
        ("id", key.id.clone()),
        ("name", key.name.clone()),
        ("role", key.role.clone()),
        ("state", key.state.clone()),
        ("prefix", key.prefix.clone()),
        ("created", instant(key.created_at)),
        ("created by", text(&key.created_by)),
        ("expires", at(key.expires_at)),
        ("last used", at(key.last_used_at)),
        ("revoked", at(key.revoked_at)),
        ("revoked by", text(&key.revoked_by)),
        ("reason", text(&key.revoke_reason)),
        ("replaces", text(&key.replaces)),
    ]
}
