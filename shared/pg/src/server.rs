//! What kind of server answers: version, standby or not.
//!
//! Invariant: nothing else of this crate runs on a server older than [`MINIMUM_MAJOR`].
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::{Executor as _, PgConnection, Row as _};

use crate::{Error, Result};

/// Oldest major version of Postgres that the SQL of certmill is written for.
pub const MINIMUM_MAJOR: u32 = 15;

/// Newest major version that certmill is tested on.
pub const TESTED_MAJOR: u32 = 18;

/// Facts of the server at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    /// Major version, e.g. 17.
    pub major: u32,
    /// True when it refuses writes: a standby, or `default_transaction_read_only`.
    pub read_only: bool,
}

const ASK: &str = "SELECT current_setting('server_version_num')::int, \
    pg_is_in_recovery() OR current_setting('transaction_read_only')::bool";

/// Asks the server and refuses one that is too old.
pub(crate) async fn inspect(conn: &mut PgConnection) -> Result<Server> {
    // The simple protocol: one message. A pooler may carry the parts of a prepared statement to
    // different server processes.
    let row = conn.fetch_one(sqlx::raw_sql(ASK)).await?;
    let (number, read_only): (i32, bool) = (row.try_get(0)?, row.try_get(1)?);
    let major = u32::try_from(number / 10_000).unwrap_or_default();
    require_version(major)?;
    Ok(Server { major, read_only })
}

fn require_version(major: u32) -> Result<()> {
    if major >= MINIMUM_MAJOR {
        return Ok(());
    }
    Err(Error::Server(format!(
        "it is version {major}, certmill needs {MINIMUM_MAJOR} or newer; upgrade the server or \
         point database_url at another one"
    )))
}

/// Refuses a server that takes no writes.
pub(crate) fn require_writable(server: Server) -> Result<()> {
    if !server.read_only {
        return Ok(());
    }
    Err(Error::Server(
        "it is a standby or read-only; point migrate_url and database_url at the primary \
         (read_only = off, pg_is_in_recovery() = false)"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_refused_with_the_needed_version() {
        assert!(require_version(15).is_ok());
        let words = require_version(11).unwrap_err().to_string();
        assert!(words.contains("11") && words.contains("15"), "{words}");
    }
}
