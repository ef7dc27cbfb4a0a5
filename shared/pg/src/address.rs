//! Reads a connection string and decides how the connection must be protected.
//!
//! Invariant: what could be a password never reaches an error text or a log line, not even
//! when the string is broken in a way that makes the password look like a host.

use std::str::FromStr;

use certmill_settings::DatabaseTls;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::{Error, Result};

/// How a connection to another machine must be protected. Unix sockets and loopback need nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsRule {
    /// TLS, and the server's certificate must carry the host's name (`sslmode=verify-full`).
    #[default]
    VerifyFull,
    /// TLS without a look at the certificate: no protection against a server in the middle.
    Require,
    /// Whatever the string says, plain text included.
    Off,
}

impl From<DatabaseTls> for TlsRule {
    fn from(set: DatabaseTls) -> Self {
        match set {
            DatabaseTls::VerifyFull => Self::VerifyFull,
            DatabaseTls::Require => Self::Require,
            DatabaseTls::Disable => Self::Off,
        }
    }
}

/// Parameters that may stand in the string. An unknown one is refused, because the tail of a
/// password with an unescaped `?` would otherwise be logged as a parameter.
const KNOWN_PARAMETERS: [&str; 16] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "options",
];

const ENCODE_HINT: &str = "if the password holds one of @ : / ? # % or a space, write it \
     percent-encoded (@ is %40, : is %3A, / is %2F, ? is %3F, # is %23, % is %25)";

/// Turns the string into sqlx's options under `rule`.
pub(crate) fn parse(url: &SecretString, rule: TlsRule) -> Result<PgConnectOptions> {
    let text = url.expose_secret().trim();
    check_shape(text)?;
    let options = PgConnectOptions::from_str(text).map_err(|_| {
        Error::Url(format!(
            "host, port or a parameter cannot be read; {ENCODE_HINT}"
        ))
    })?;
    // Servers that we know print floats in full by themselves, and PgBouncer refuses the parameter.
    let options = options.extra_float_digits(None);
    protect(options, rule, has_sslmode(text))
}

/// The user that the string logs in as: the one that grants must go to.
///
/// # Errors
/// [`Error::Url`] when the string cannot be read.
pub fn user_of(url: &SecretString) -> Result<String> {
    let text = url.expose_secret().trim();
    check_shape(text)?;
    PgConnectOptions::from_str(text)
        .map(|options| options.get_username().to_owned())
        .map_err(|_| Error::Url(format!("it cannot be read; {ENCODE_HINT}")))
}

/// Finds the ways in which an unescaped password tears the string apart.
fn check_shape(text: &str) -> Result<()> {
    let Some(rest) = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"))
    else {
        return Err(Error::Url(
            "it must start with postgres:// or postgresql:// (user, host and database follow)"
                .to_owned(),
        ));
    };
    let torn = |what: &str| Err(Error::Url(format!("{what}; {ENCODE_HINT}")));
    if rest.contains('#') {
        return torn("it holds an unescaped #");
    }
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
    if authority.matches('@').count() > 1 || path.contains(['@', '/']) {
        return torn("the end of the password cannot be found");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return torn("it holds white space or a control character");
    }
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = KNOWN_PARAMETERS.contains(&key) || key.starts_with("options[");
        if !known || value.contains('@') {
            return torn(
                "it holds a parameter that is not known (known are sslmode, sslrootcert, \
                 sslcert, sslkey, host, port, dbname, user, options)",
            );
        }
    }
    Ok(())
}

fn has_sslmode(text: &str) -> bool {
    text.split_once('?').is_some_and(|(_, query)| {
        query
            .split('&')
            .any(|p| p.starts_with("sslmode=") || p.starts_with("ssl-mode="))
    })
}

fn protect(options: PgConnectOptions, rule: TlsRule, explicit: bool) -> Result<PgConnectOptions> {
    if options.get_socket().is_some() || is_loopback(options.get_host()) {
        return Ok(options);
    }
    let host = options.get_host().to_owned();
    let mode = options.get_ssl_mode();
    match rule {
        TlsRule::Off => {
            tracing::warn!(host, "database.tls = off: the connection may be plain text");
            Ok(options)
        }
        TlsRule::Require => {
            tracing::warn!(
                host,
                "database.tls = require: the server's identity is not verified"
            );
            match mode {
                _ if !explicit => Ok(options.ssl_mode(PgSslMode::Require)),
                PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => Ok(options),
                weak => Err(too_weak(&host, weak)),
            }
        }
        TlsRule::VerifyFull => match mode {
            _ if !explicit => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
            PgSslMode::VerifyFull => Ok(options),
            weak => Err(too_weak(&host, weak)),
        },
    }
}

fn too_weak(host: &str, mode: PgSslMode) -> Error {
    let mode = match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    };
    Error::Tls(format!(
        "sslmode={mode} does not protect the connection to {host}, which is neither a unix socket \
         nor loopback; use sslmode=verify-full (with sslrootcert=FILE for a private CA), or lower \
         the rule on purpose with the setting database.tls = require or off"
    ))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, rule: TlsRule) -> Result<PgConnectOptions> {
        parse(&SecretString::from(text), rule)
    }

    #[test]
    fn torn_passwords_are_refused_without_being_shown() {
        let strings = [
            "postgres://u:p@ss/word@host/db",
            "postgres://u:12/word@host/db",
            "postgres://u:12#word@host/db",
            "postgres://u:12?word@host/db",
            "postgres://u:wo rd@host/db",
            "postgres://u:x?word=1@host/db",
            "postgres://u:word@host:port/db",
            "postgres://u:word/x@host/db",
            "mysql://u:word@host/db",
            "postgres://u@host/db?password=word",
        ];
        for text in strings {
            let error = read(text, TlsRule::VerifyFull).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("word@") && !shown.contains("ss/word"),
                "{shown}"
            );
            assert!(matches!(error, Error::Url(_)), "{text}");
        }
        let error = read("postgres://u:p@ss/word@host/db", TlsRule::VerifyFull).unwrap_err();
        assert!(error.to_string().contains("percent-encoded"));
    }

    #[test]
    fn an_escaped_password_is_taken() {
        let text = "postgres://u:p%40ss%2Fword@127.0.0.1:5433/db";
        let options = read(text, TlsRule::VerifyFull).unwrap();
        assert_eq!(options.get_host(), "127.0.0.1");
        assert_eq!(options.get_port(), 5433);
        assert_eq!(user_of(&SecretString::from(text)).unwrap(), "u");
    }

    #[test]
    fn plain_text_to_another_machine_is_refused() {
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let text = format!("postgres://u:x@db.example.com/c?sslmode={mode}");
            let error = read(&text, TlsRule::VerifyFull).unwrap_err().to_string();
            assert!(
                error.contains("database.tls") && error.contains(mode),
                "{error}"
            );
        }
        let text = "postgres://u:x@db.example.com/c?sslmode=disable";
        assert!(read(text, TlsRule::Require).is_err());
        assert!(read(text, TlsRule::Off).is_ok());
    }

    #[test]
    fn the_default_verifies_and_local_needs_nothing() {
        let remote = "postgres://u:x@db.example.com/c";
        let mode = |rule| read(remote, rule).unwrap().get_ssl_mode();
        assert!(matches!(mode(TlsRule::VerifyFull), PgSslMode::VerifyFull));
        assert!(matches!(mode(TlsRule::Require), PgSslMode::Require));
        for local in [
            "postgres://u:x@localhost/c?sslmode=disable",
            "postgres://u:x@[::1]/c?sslmode=disable",
            "postgres://u:x@localhost/c?host=/run/postgresql&sslmode=disable",
            "postgres://u:x@%2Frun%2Fpostgresql/c?sslmode=disable",
        ] {
            assert!(read(local, TlsRule::VerifyFull).is_ok(), "{local}");
        }
    }
}
