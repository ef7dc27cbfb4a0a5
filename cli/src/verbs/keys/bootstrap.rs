//! `certmill keys bootstrap`: the first admin's key.
//!
//! Invariant: the key is drawn here and on the disk before it is sent, so that a kill or a lost
//! answer at any line leaves either no admin and an open door, or an admin whose key is in the file.

use certmill_crypto::token::ApiKey;
use certmill_settings::{Secret, read_key_file};
use certmill_wire::BootstrapRequest;

use super::fields;
use super::made::is_refusal;
use crate::args::BootstrapArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::secret_out::SecretOut;
use crate::session::Session;

/// Runs it.
pub(super) async fn run(args: BootstrapArgs, session: &Session) -> Result<(), Failure> {
    let token = read_key_file("bootstrap token", &args.token_file)
        .map_err(|problem| Failure::config(vec![problem.to_string()]))?;
    let drawn = ApiKey::generate().map_err(|why| {
        Failure::new(
            Exit::Failed,
            "API key",
            "this machine",
            &why.to_string(),
            "try again",
        )
    })?;
    let key = Secret::from(drawn.expose());
    let mut out = SecretOut::open_file(&args.out)?;
    out.keep(&key)?;
    let request = BootstrapRequest {
        token: Some(token),
        name: args.name,
        key: Some(key),
    };
    let file = args.out.display().to_string();
    let made = match session.client.bootstrap(&request).await {
        Ok(made) => made,
        Err(error) => {
            let failure = Failure::of_call("first admin", &error);
            if is_refusal(&error) {
                out.discard();
                return Err(failure);
            }
            return Err(failure.and(&format!(
                "whether the key in {file} was taken is not known: try `certmill keys list \
                 --api-key-file {file}`, and if it is refused remove the file and start again"
            )));
        }
    };
    let output = &session.output;
    if output.is_value() {
        return output.value(&serde_json::json!({"key": made.key, "file": file}));
    }
    let mut shown = fields(&made.key);
    shown.push(("file", file));
    output.fields(&shown)?;
    output.note("the door is closed; the token file is of no use any more and can be removed");
    Ok(())
}
