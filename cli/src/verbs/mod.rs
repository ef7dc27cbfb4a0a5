//! The client verbs, one module a noun.
//!
//! Invariant: a verb talks to the API only, never to the database.

mod bulk;
mod certs;
mod cluster;
mod explain;
mod issuers;
mod jobs;
mod keys;
mod lanes;
mod operations;
mod profiles;
mod reconcile;
mod status;

use certmill_settings::Env;

use crate::args::{Command, Global, IssuersVerb, KeysVerb};
use crate::failure::Failure;
use crate::session::Session;

/// Runs a client verb; roles and local commands are none and do nothing here.
///
/// # Errors
/// The verb's.
pub async fn run(command: Command, global: &Global, env: &Env) -> Result<(), Failure> {
    let session = match &command {
        // Whoever has no key yet asks for the first one.
        Command::Keys(KeysVerb::Bootstrap(_)) => Session::open_without_key(global, env)?,
        _ => Session::open(global, env)?,
    };
    match command {
        Command::Certs(verb) => certs::run(verb, &session).await,
        Command::Jobs(verb) => jobs::run(verb, &session).await,
        Command::Lanes(verb) => lanes::run(verb, &session).await,
        Command::Operations(verb) => operations::run(verb, &session).await,
        Command::Issuers(IssuersVerb::List(page)) => issuers::list(&page, &session).await,
        Command::Profiles(verb) => profiles::run(verb, &session).await,
        Command::Keys(verb) => keys::run(verb, &session).await,
        Command::Cluster => cluster::run(&session).await,
        Command::Reconcile(args) => reconcile::run(args, &session).await,
        Command::Status { exit_code } => status::run(exit_code, &session).await,
        Command::Explain { subject } => explain::run(&subject, &session).await,
        Command::Ca(_)
        | Command::Config(_)
        | Command::Demo(_)
        | Command::Doctor(_)
        | Command::Kek(_)
        | Command::Role(_) => Ok(()),
    }
}
