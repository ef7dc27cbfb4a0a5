//! Looks into a database URL just far enough to refuse the wrong ones in good words.
//!
//! Invariant: nothing of the user part (a password may stand anywhere in it) reaches an error.

use std::fmt;

/// What a database URL says, without its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseAddress {
    /// Host name, address, or the folder of a unix socket; empty means the default socket.
    pub host: String,
    /// Port, 5432 if none is named.
    pub port: u16,
    /// The value of `sslmode`, if given.
    pub sslmode: Option<String>,
    /// Whether the URL holds a password.
    pub has_password: bool,
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

const ENCODE: &str =
    "percent-encode @ : / ? # % in the user name and password (@ is %40, / is %2F)";

impl DatabaseAddress {
    /// Reads `postgres://user:password@host:port/name?options`.
    ///
    /// # Errors
    /// Why it cannot be read and what to do, without any part of the URL.
    pub fn parse(url: &str) -> Result<Self, (&'static str, &'static str)> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or((
                "not a Postgres URL",
                "write postgres://user@host:5432/database",
            ))?;
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
        // An unescaped `/`, `?` or `#` of a password cuts the authority short, and the `@` that
        // should have ended the user part then turns up behind it.
        let cut = path.contains('@') || query.contains('@') || rest.contains('#');
        if cut || authority.matches('@').count() > 1 {
            return Err(("host and port cannot be told from the password", ENCODE));
        }
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = split_port(place)?;
        let options = || query.split('&').filter_map(|pair| pair.split_once('='));
        let option = |name: &str| {
            options()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let host = option("host")
            .or_else(|| option("hostaddr"))
            .unwrap_or(host);
        let port = match option("port").map(str::parse) {
            Some(Ok(port)) => port,
            Some(Err(_)) => return Err(("the port is not a number", ENCODE)),
            None => port,
        };
        Ok(Self {
            host: decode(host),
            port,
            sslmode: option("sslmode")
                .or_else(|| option("ssl-mode"))
                .map(str::to_owned),
            has_password: user.contains(':') || option("password").is_some(),
        })
    }

    /// Whether it is a unix socket or a loopback address, where TLS adds nothing.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.is_empty()
            || self.host.starts_with('/')
            || self.host == "localhost"
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

fn split_port(place: &str) -> Result<(&str, u16), (&'static str, &'static str)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6
                .split_once(']')
                .ok_or(("the address lacks its ]", ENCODE))?;
            (host, after.strip_prefix(':').unwrap_or(after))
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    if port.is_empty() {
        return Ok((host, 5432));
    }
    let port = port
        .parse()
        .map_err(|_| ("the port is not a number", ENCODE))?;
    Ok((host, port))
}

/// Percent-decodes; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], pair) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_usual_forms() {
        let url =
            DatabaseAddress::parse("postgres://u:p%40ss@db.example.com:6432/c?sslmode=require");
        let url = url.unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.has_password),
            ("db.example.com", 6432, true)
        );
        assert_eq!(url.sslmode.as_deref(), Some("require"));
        assert!(!url.is_local());
        for local in [
            "postgres:///c",
            "postgres://u@localhost/c",
            "postgresql://u@127.0.0.1:5433/c",
            "postgres://u@[::1]:5433/c",
            "postgres://u@%2Fvar%2Frun/c",
            "postgres:///c?host=/var/run/postgresql&user=u",
        ] {
            let url = DatabaseAddress::parse(local).unwrap();
            assert!(url.is_local() && !url.has_password, "{local}");
        }
        assert!(
            DatabaseAddress::parse("postgres://h/c?password=x")
                .unwrap()
                .has_password
        );
    }

    #[test]
    fn unescaped_passwords_are_refused_without_being_shown() {
        for bad in [
            "postgres://u:p@ss/word@h:5432/c",
            "postgres://u:p@ssword@h/c",
            "postgres://u:pass/word@h/c",
            "postgres://u:p?ss@h/c",
            "postgres://u:p#ss@h/c",
            "postgres://h:many/c",
            "mysql://u:pass@h/c",
        ] {
            let (why, hint) = DatabaseAddress::parse(bad).unwrap_err();
            assert!(!why.contains("pass") || why.contains("password"), "{why}");
            assert!(!hint.is_empty());
        }
    }
}
