//! Takes passwords out of URLs before they are shown.
//!
//! Invariant: a URL whose parts cannot be told apart is not shown at all.

use crate::DatabaseAddress;

/// What stands where a secret was.
pub(crate) const MASK: &str = "****";

/// The URL with its password masked, in the user part and in its options.
pub(crate) fn mask_url(url: &str) -> String {
    if DatabaseAddress::parse(url).is_err() {
        return MASK.to_owned();
    }
    let (before, query) = match url.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (url, None),
    };
    let masked = match before.rsplit_once('@') {
        Some((user, place)) => format!("{}@{place}", mask_user(user)),
        None => before.to_owned(),
    };
    match query {
        Some(query) => format!("{masked}?{}", mask_options(query)),
        None => masked,
    }
}

/// `postgres://user:password` without the password; the scheme's colon is none of it.
fn mask_user(user: &str) -> String {
    let start = user.find("://").map_or(0, |at| at + 3);
    match user[start..].find(':') {
        Some(colon) => format!("{}:{MASK}", &user[..start + colon]),
        None => user.to_owned(),
    }
}

fn mask_options(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        for (url, shown) in [
            (
                "postgres://u:canary@h:5432/c?sslmode=require",
                "postgres://u:****@h:5432/c?sslmode=require",
            ),
            ("postgres://u@h/c", "postgres://u@h/c"),
            ("postgres://h/c", "postgres://h/c"),
            (
                "postgres:///c?host=/run&password=canary&user=u",
                "postgres:///c?host=/run&password=****&user=u",
            ),
            ("postgres://u:can@ary@h/c", "****"),
            ("postgres://u:can/ary@h/c", "****"),
            ("canary", "****"),
        ] {
            assert_eq!(mask_url(url), shown, "{url}");
        }
    }
}
