//! What a request wants, from its method and its path as it was sent.
//!
//! Invariant: the whole surface of the listener is this one function.

use http::Method;

/// Digits of an authority's label.
const LABEL_LEN: usize = 32;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The list of the authority of this label.
    List(String),
    /// A status; the request is what follows `/ocsp/` (RFC 6960, appendix A.1).
    StatusInPath(String),
    /// A status; the request is the body.
    StatusInBody,
    /// Nothing that is here.
    Nothing,
}

impl Asked {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let reads = *method == Method::GET || *method == Method::HEAD;
        if let Some(file) = path.strip_prefix("/crl/").filter(|_| reads) {
            let label = file.strip_suffix(".crl").unwrap_or_default();
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if label.len() == LABEL_LEN && label.bytes().all(is_hex) {
                return Self::List(label.to_owned());
            }
            return Self::Nothing;
        }
        let Some(rest) = path.strip_prefix("/ocsp") else {
            return Self::Nothing;
        };
        match rest.strip_prefix('/') {
            None if rest.is_empty() && *method == Method::POST => Self::StatusInBody,
            Some("") if *method == Method::POST => Self::StatusInBody,
            Some(encoded) if reads && !encoded.is_empty() => Self::StatusInPath(encoded.to_owned()),
            _ => Self::Nothing,
        }
    }
}

/// The bytes of a request in a path: percent-encoded base 64. Some clients leave out the padding,
/// some the percent-encoding.
pub(super) fn decode(encoded: &str) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        });
    }
    let end = text.iter().rposition(|byte| *byte != b'=')? + 1;
    data_encoding::BASE64_NOPAD.decode(&text[..end]).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_and_statuses_are_here() {
        let label = "0123456789abcdef0123456789abcdef";
        let list = format!("/crl/{label}.crl");
        let asked = |method: Method, path: &str| Asked::of(&method, path);
        assert_eq!(asked(Method::GET, &list), Asked::List(label.into()));
        assert_eq!(asked(Method::HEAD, &list), Asked::List(label.into()));
        for path in ["/ocsp", "/ocsp/"] {
            assert_eq!(asked(Method::POST, path), Asked::StatusInBody);
            assert_eq!(asked(Method::GET, path), Asked::Nothing);
        }
        assert_eq!(
            asked(Method::GET, "/ocsp/MEI/a//b"),
            Asked::StatusInPath("MEI/a//b".into())
        );
        for (method, path) in [
            (Method::POST, list.as_str()),
            (Method::DELETE, list.as_str()),
            (Method::GET, "/crl/"),
            (Method::GET, "/crl/../../etc/passwd"),
            (Method::GET, "/crl/0123456789ABCDEF0123456789abcdef.crl"),
            (Method::GET, "/"),
            (Method::GET, "/health"),
            (Method::GET, "/api/v1/certificates"),
            (Method::POST, "/ocsp/x"),
            (Method::GET, "/ocspx"),
            (Method::OPTIONS, "/ocsp"),
        ] {
            assert_eq!(
                asked(method.clone(), path),
                Asked::Nothing,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn paths_decode_with_and_without_their_encodings() {
        let bytes: Vec<u8> = (0..=255).collect();
        let padded = data_encoding::BASE64.encode(&bytes);
        let encoded = padded
            .replace('+', "%2B")
            .replace('/', "%2f")
            .replace('=', "%3D");
        for text in [&padded, &encoded, &padded.replace('=', "")] {
            assert_eq!(decode(text), Some(bytes.clone()));
        }
        for bad in ["%", "%4", "%zz", "====", "a b", "\u{e9}"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
