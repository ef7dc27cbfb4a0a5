//! Brings the server's address into one form.
//!
//! Invariant: the result is `https://host[:port]/` without path, user or query.

use reqwest::Url;

use super::Error;

pub(super) fn normalise(text: &str) -> Result<Url, Error> {
    let text = text.trim();
    let with_scheme = match text.split_once("://") {
        Some(_) => text.to_owned(),
        None => format!("https://{text}"),
    };
    let mut url = Url::parse(&with_scheme)
        .map_err(|why| Error::config(format!("the server's URL cannot be read: {why}")))?;
    match url.scheme() {
        "https" => {}
        "http" => return Err(Error::config("plain HTTP is refused; use https://")),
        _ => return Err(Error::config("the server's URL must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::config(
            "the server's URL must not hold a user or password; use CERTMILL_API_KEY_FILE",
        ));
    }
    let path = url.path().trim_end_matches('/');
    if !matches!(path, "" | "/api" | "/api/v1") {
        return Err(Error::config(
            "the server's URL must not have a path other than /api/v1",
        ));
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tolerates_the_usual_forms() {
        for text in [
            "https://h:8443",
            "https://h:8443/",
            "https://h:8443/api/v1/",
            "h:8443/api/v1",
            " https://h:8443/api?x=1#y ",
        ] {
            assert_eq!(
                normalise(text).unwrap().as_str(),
                "https://h:8443/",
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "http://h",
            "ftp://h",
            "https://u:canary@h",
            "https://h/else",
            "https://",
            "",
        ] {
            let error = normalise(text).unwrap_err();
            assert_eq!(error.exit_code(), 3, "{text}");
            assert!(!error.to_string().contains("canary"));
        }
        assert!(
            normalise("http://h")
                .unwrap_err()
                .to_string()
                .contains("use https://")
        );
    }
}
