//! The only place of this crate that starts processes.
//!
//! Invariant: a child takes no Postgres variables from our environment, and where it must not
//! outlive us it is bound to the life of the thread that spawns it.

use std::ffi::OsStr;
use std::process::Command;

use super::account::Account;

/// Variables of Postgres clients and servers that would change what the child does.
const FOREIGN: [&str; 10] = [
    "PGDATA",
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGDATABASE",
    "PGOPTIONS",
    "PGSSLMODE",
    "PGSERVICE",
];

/// A program as ourselves.
#[allow(
    clippy::disallowed_methods,
    reason = "starting processes is this file's purpose"
)]
pub(super) fn plain(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C.UTF-8").current_dir("/");
    command
}

/// A program as `account`, in its own session, that gets `signal` when the spawning *thread*
/// ends. setsid and setpriv exec in place: the child's pid is the program's pid.
pub(super) fn bound(program: impl AsRef<OsStr>, account: &Account, signal: &str) -> Command {
    let mut command = plain("setsid");
    command.arg("setpriv").args(account.setpriv_flags());
    command.args(["--pdeathsig", signal]).arg(program);
    command
}
