//! `certmill keys add` and `certmill keys rotate`: a new key and where it goes.

use std::path::Path;
use std::time::Duration;

use certmill_wire::client::{self, Client};
use certmill_wire::{ActionRequest, KeyRequest, NewKeyView, RotateRequest};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::fields;
use crate::args::{AddKeyArgs, RotateKeyArgs};
use crate::failure::Failure;
use crate::lookup;
use crate::output::instant;
use crate::secret_out::SecretOut;
use crate::session::Session;

/// `keys add`
pub(super) async fn add(args: AddKeyArgs, session: &Session) -> Result<(), Failure> {
    let out = SecretOut::open(&args.out)?;
    let request = KeyRequest {
        name: args.name,
        role: args.role,
        expires_in_s: args.expires_in.map(seconds),
    };
    let answer = session.client.add_key(&request).await;
    finish(answer, &format!("API key {}", request.name), out, session).await
}

/// `keys rotate`
pub(super) async fn rotate(args: RotateKeyArgs, session: &Session) -> Result<(), Failure> {
    let old = lookup::api_key(&session.client, &args.key).await?;
    let out = SecretOut::open(&args.out)?;
    let request = RotateRequest {
        overlap_s: args.overlap.map(seconds),
        expires_in_s: args.expires_in.map(seconds),
    };
    let answer = session.client.rotate_key(&old.id, &request).await;
    finish(answer, &format!("API key {}", old.id), out, session).await
}

/// The longest duration that the parser takes is far below the limit of the type.
fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

async fn finish(
    answer: Result<NewKeyView, client::Error>,
    what: &str,
    mut out: SecretOut,
    session: &Session,
) -> Result<(), Failure> {
    let made = match answer {
        Ok(made) => made,
        Err(error) => {
            out.discard();
            let failure = Failure::of_call(what, &error);
            return Err(if is_refusal(&error) {
                failure
            } else {
                failure.and("a key may have been made: `certmill keys list` shows it, revoke it")
            });
        }
    };
    let Some(secret) = &made.secret else {
        out.discard();
        let error = client::Error::Answer {
            url: session.client.base_url().to_owned(),
            why: "it holds no secret".to_owned(),
        };
        return Err(Failure::of_call(what, &error));
    };
    if let Err(failure) = out.keep(secret) {
        return Err(withdraw(&session.client, &made, failure).await);
    }
    print(&made, out.path(), session)
}

/// Whether the server said no, so that nothing was made.
pub(super) fn is_refusal(error: &client::Error) -> bool {
    error
        .problem()
        .is_some_and(|problem| (400..500).contains(&problem.status) && problem.status != 408)
}

/// Ends a key that could not be kept: nobody has it.
async fn withdraw(client: &Client, made: &NewKeyView, failure: Failure) -> Failure {
    let id = &made.key.id;
    let why = ActionRequest {
        reason: Some("it could not be kept where it was asked for".to_owned()),
    };
    match client.revoke_key(id, &why).await {
        Ok(_) => failure.and(&format!("{id} was made and is revoked again")),
        Err(_) => failure.and(&format!(
            "{id} was made and nobody has it: certmill keys revoke {id}"
        )),
    }
}

/// On stdout either the key, for `--out -`, or what is known of it.
fn print(made: &NewKeyView, file: Option<&Path>, session: &Session) -> Result<(), Failure> {
    let output = &session.output;
    let secret = match file {
        Some(_) => "",
        None => made.secret.as_ref().map_or("", |s| s.expose_secret()),
    };
    if output.is_value() {
        return match file {
            Some(file) => output.value(&json!({
                "key": made.key, "replaced": made.replaced, "file": file,
            })),
            None => output.value(&json!({
                "key": made.key, "replaced": made.replaced, "secret": secret,
            })),
        };
    }
    if let Some(old) = &made.replaced
        && let Some(end) = old.expires_at
    {
        output.note(&format!("{} is valid until {}", old.id, instant(end)));
    }
    let Some(file) = file else {
        output.note(&format!("{} {}", made.key.id, made.key.name));
        return output.text(&format!("{secret}\n"));
    };
    let mut shown = fields(&made.key);
    shown.push(("file", file.display().to_string()));
    output.fields(&shown)
}
