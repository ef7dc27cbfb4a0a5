//! Why a connection could not be opened, in words that end with what to do.
//!
//! Invariant: the words hold names (host, role, database) and codes, never a password.

use std::fmt;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Somebody of this process was told that the password is wrong.
static NOTICED: Notify = Notify::const_new();

/// Why the door is closed, while it is: see [`crate::LoginKeeper`].
static CLOSED: Mutex<Option<Refusal>> = Mutex::new(None);

/// The server answered and would not let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Five-character code, appendix A of the Postgres manual.
    pub sqlstate: String,
    /// What the server said, and what that means.
    pub why: String,
    /// The ways out.
    pub advice: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.advice)
    }
}

impl Refusal {
    /// The refusal of this code, or `None` where the code is not about logging in.
    pub(crate) fn of(sqlstate: &str, message: &str) -> Option<Self> {
        let role = between_quotes(message).unwrap_or("ROLE");
        let (meaning, advice) = match sqlstate {
            "28P01" => (
                "the database refused the password".to_owned(),
                format!(
                    "either set this password in Postgres (ALTER ROLE {role} PASSWORD '...') and \
                     restart; or put the old secret back; or, on an evaluation volume only, \
                     recreate the volume"
                ),
            ),
            "28000" => (
                "the database does not let this login in".to_owned(),
                "check the role's LOGIN right and the lines of pg_hba.conf for this host, role \
                 and database"
                    .to_owned(),
            ),
            "3D000" => (
                "the database server has no such database".to_owned(),
                "create it (CREATE DATABASE), or correct the name at the end of database_url"
                    .to_owned(),
            ),
            "08P01" if message.contains("startup parameter") => (
                "a pooler stands between here and Postgres and takes no start-up options"
                    .to_owned(),
                "set database.pooler = \"transaction\", or name Postgres itself".to_owned(),
            ),
            _ => return None,
        };
        Some(Self {
            sqlstate: sqlstate.to_owned(),
            why: format!("{meaning} (SQLSTATE {sqlstate}: {message})"),
            advice,
        })
    }
}

/// Why the server at the other end was turned away, until one is let in.
static TURNED_AWAY: Mutex<Option<(usize, String)>> = Mutex::new(None);

/// Waits until a password was refused; one that was refused before counts.
pub(crate) async fn refused_somewhere() {
    NOTICED.notified().await;
}

/// Tells whoever waits for it that a password was refused.
pub(crate) fn notice_refusal() {
    NOTICED.notify_one();
}

/// From now on a socket that is not there means this refusal.
pub(crate) fn door_closes(refusal: Refusal) {
    *CLOSED.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
}

/// The login is tried in earnest again.
pub(crate) fn door_opens() {
    *CLOSED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Why the door is closed, if it is.
pub(crate) fn closed() -> Option<Refusal> {
    CLOSED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// A server that answered must not be worked on; `by` is who says so.
pub(crate) fn turn_away(by: usize, why: &str) {
    let mut turned_away = TURNED_AWAY.lock().unwrap_or_else(PoisonError::into_inner);
    if turned_away.as_ref().map(|one| one.1.as_str()) != Some(why) {
        tracing::error!(
            event = "server_refused",
            "the database server is not worked on: {why}"
        );
    }
    *turned_away = Some((by, why.to_owned()));
}

/// A server that answered may be worked on, which ends what `by` said before.
pub(crate) fn let_in(by: usize) {
    let mut turned_away = TURNED_AWAY.lock().unwrap_or_else(PoisonError::into_inner);
    turned_away.take_if(|one| one.0 == by);
}

/// Why no connection is to be had, as far as is known.
pub(crate) fn nothing_free() -> String {
    let turned_away = TURNED_AWAY.lock().unwrap_or_else(PoisonError::into_inner);
    match &*turned_away {
        Some((_, why)) => format!("the database server is not worked on: {why}"),
        None => "no connection became free in time; the server is down or the pool is too small"
            .to_owned(),
    }
}

/// Codes of a server that is there and cannot take us now.
pub(crate) fn busy(sqlstate: &str, message: &str) -> Option<String> {
    let (meaning, advice) = match sqlstate {
        "53300" => (
            "the database server has no connection left",
            "lower database.max_connections of the processes or raise max_connections of \
             Postgres; `certmill doctor` shows the sum",
        ),
        "57P03" => (
            "the database server is starting, stopping or recovering",
            "wait for it; its log says how far it is",
        ),
        _ => return None,
    };
    Some(format!(
        "{meaning} (SQLSTATE {sqlstate}: {message}); {advice}"
    ))
}

/// Words for an operating system's refusal; `place` is `host:port` or a socket's folder.
pub(crate) fn unreachable(place: &str, error: &std::io::Error) -> String {
    let text = error.to_string();
    let (meaning, advice) = match error.kind() {
        ErrorKind::ConnectionRefused => (
            "nobody listens there",
            "start Postgres, or correct host and port in database_url",
        ),
        ErrorKind::NotFound => (
            "there is no such socket",
            "start Postgres, or correct the socket's folder in database_url",
        ),
        ErrorKind::PermissionDenied => (
            "this user may not open the socket",
            "check the modes of the socket's folder",
        ),
        _ if is_about_a_name(&text) => (
            "the host name cannot be resolved",
            "correct the host in database_url, or mend name resolution on this machine",
        ),
        _ => (
            "the connection failed",
            "check the network and the firewall between here and there",
        ),
    };
    format!("{place}: {meaning} ({text}); {advice}")
}

/// Words for a failed TLS handshake, which most often is a CA that is not named.
pub(crate) fn tls(place: &str, error: &dyn fmt::Display) -> String {
    format!(
        "TLS with {place} failed: {error}; name the CA of the server by sslrootcert=FILE in \
         database_url, and use the host name that its certificate carries"
    )
}

/// Name resolution has no error kind of its own.
fn is_about_a_name(text: &str) -> bool {
    [
        "lookup address",
        "name resolution",
        "not known",
        "No address",
    ]
    .iter()
    .any(|part| text.contains(part))
}

fn between_quotes(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('"')?;
    rest.split_once('"').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io;

    use super::*;

    #[test]
    fn a_refused_password_names_the_three_ways_out() {
        let said = "password authentication failed for user \"certmill_app\"";
        let words = Refusal::of("28P01", said).unwrap().to_string();
        assert_eq!(
            words,
            "the database refused the password (SQLSTATE 28P01: password authentication failed \
             for user \"certmill_app\"); either set this password in Postgres (ALTER ROLE \
             certmill_app PASSWORD '...') and restart; or put the old secret back; or, on an \
             evaluation volume only, recreate the volume"
        );
    }

    #[test]
    fn each_code_has_its_own_words() {
        for (code, said, words) in [
            ("28000", "no pg_hba.conf entry for host", "pg_hba.conf"),
            ("3D000", "database \"x\" does not exist", "CREATE DATABASE"),
        ] {
            let refusal = Refusal::of(code, said).unwrap();
            assert!(refusal.why.contains(code) && refusal.why.contains(said));
            assert!(refusal.advice.contains(words), "{refusal}");
        }
        assert_eq!(Refusal::of("42601", "syntax error"), None);
        assert!(
            busy("53300", "too many clients already")
                .unwrap()
                .contains("certmill doctor")
        );
        assert!(
            busy("57P03", "the database system is starting up")
                .unwrap()
                .contains("wait")
        );
        assert_eq!(busy("08006", "x"), None);
    }

    #[test]
    fn an_unreachable_server_is_told_by_what_the_system_said() {
        let told = |error: io::Error| unreachable("db:5432", &error);
        let refused = told(io::Error::from(ErrorKind::ConnectionRefused));
        assert!(refused.starts_with("db:5432: nobody listens"), "{refused}");
        let name = "failed to lookup address information: Name or service not known";
        assert!(told(io::Error::other(name)).contains("cannot be resolved"));
        assert!(told(io::Error::from(ErrorKind::NotFound)).contains("socket"));
        assert!(told(io::Error::other("reset")).contains("network"));
    }
}
