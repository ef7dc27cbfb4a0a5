//! The names that a certificate speaks for: DNS names and IP addresses, normalised once.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The most names that one certificate may carry.
pub const NAMES_MAX: usize = 100;

/// Why a text is no subject alternative name. Each variant has a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// Over 253 characters (RFC 1035, section 2.3.4).
    #[error("the name is longer than 253 characters")]
    TooLong,
    /// A label is empty or over 63 characters.
    #[error("a label is empty or longer than 63 characters")]
    LabelLength,
    /// A character that a host name may not carry (RFC 1123, section 2.1).
    #[error(
        "`{0}` is not allowed in a DNS name; internationalised names are given in their xn-- form"
    )]
    Character(char),
    /// A label starts or ends with a hyphen, or has hyphens at places 3 and 4 without being `xn--`.
    #[error("a label starts or ends with a hyphen, or has a reserved `--` at its third place")]
    Hyphen,
    /// A label that begins with `xn--` but is no internationalised label (RFC 5891, section 5.4).
    #[error("a label that begins with xn-- does not decode to an internationalised name")]
    Punycode,
    /// A wildcard that is not the whole leftmost label, or that covers a whole top-level domain.
    #[error("a wildcard must be the whole leftmost label, above at least two more labels")]
    Wildcard,
    /// The last label is numeric, so that the name reads like an address.
    #[error("the last label must not be all digits")]
    NumericEnd,
    /// No name, or more than [`NAMES_MAX`].
    #[error("a certificate carries 1 to 100 names, not {0}")]
    Count(usize),
}

impl InvalidName {
    /// The stable code that problems and job errors carry.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "name_empty",
            Self::TooLong => "name_too_long",
            Self::LabelLength => "label_length",
            Self::Character(_) => "name_character",
            Self::Hyphen => "name_hyphen",
            Self::Punycode => "name_punycode",
            Self::Wildcard => "wildcard_misplaced",
            Self::NumericEnd => "name_numeric_end",
            Self::Count(_) => "names_count",
        }
    }
}

/// One subject alternative name (RFC 5280, section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum San {
    /// A DNS name in lower case without a trailing dot; the leftmost label may be `*`.
    Dns(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl FromStr for San {
    type Err = InvalidName;

    /// Reads an address or a DNS name; upper case and one trailing dot are normalised away.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        check_dns(&name).map(|()| Self::Dns(name))
    }
}

fn check_dns(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if name.len() > 253 {
        return Err(InvalidName::TooLong);
    }
    let host = match name.strip_prefix("*.") {
        Some(parent) if parent.contains('.') => parent,
        Some(_) => return Err(InvalidName::Wildcard),
        None if name.contains('*') => return Err(InvalidName::Wildcard),
        None => name,
    };
    host.split('.').try_for_each(check_label)?;
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidName::NumericEnd);
    }
    Ok(())
}

fn check_label(label: &str) -> Result<(), InvalidName> {
    if let Some(wrong) = label
        .chars()
        .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-'))
    {
        return Err(if wrong == '*' {
            InvalidName::Wildcard
        } else {
            InvalidName::Character(wrong)
        });
    }
    if label.is_empty() || label.len() > 63 {
        return Err(InvalidName::LabelLength);
    }
    let reserved = label.as_bytes().get(2..4) == Some(b"--") && !label.starts_with("xn--");
    if label.starts_with('-') || label.ends_with('-') || reserved {
        return Err(InvalidName::Hyphen);
    }
    if label.starts_with("xn--") && !is_internationalised(label) {
        return Err(InvalidName::Punycode);
    }
    Ok(())
}

/// Whether the label decodes, and encodes to itself again.
fn is_internationalised(label: &str) -> bool {
    let (decoded, result) = idna::domain_to_unicode(label);
    result.is_ok() && idna::domain_to_ascii(&decoded).is_ok_and(|again| again == label)
}

/// The names of one certificate: sorted, without repeats, at least one and at most [`NAMES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(Vec<San>);

impl Names {
    /// Sorts and de-duplicates.
    ///
    /// # Errors
    /// [`InvalidName::Count`] for none or too many.
    pub fn new(names: impl IntoIterator<Item = San>) -> Result<Self, InvalidName> {
        let sorted: BTreeSet<San> = names.into_iter().collect();
        if sorted.is_empty() || sorted.len() > NAMES_MAX {
            return Err(InvalidName::Count(sorted.len()));
        }
        Ok(Self(sorted.into_iter().collect()))
    }

    /// Reads texts, as rows and requests hold them.
    ///
    /// # Errors
    /// The first text's fault, or the count's.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, InvalidName> {
        let names: Result<Vec<San>, InvalidName> = texts
            .into_iter()
            .map(|text| text.as_ref().parse())
            .collect();
        Self::new(names?)
    }

    /// The names in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[San] {
        &self.0
    }

    /// The names as texts, as rows and answers show them.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        text.parse::<San>().unwrap_err().code()
    }

    #[test]
    fn each_bad_name_has_its_own_code() {
        assert_eq!(code("*.com"), "wildcard_misplaced");
        assert_eq!(code("*"), "wildcard_misplaced");
        assert_eq!(code("a.*.example.com"), "wildcard_misplaced");
        assert_eq!(code("foo_bar.example.com"), "name_character");
        assert_eq!(code("-a.b"), "name_hyphen");
        assert_eq!(code("ab--c.example"), "name_hyphen");
        assert_eq!(code(&format!("{}.com", "a".repeat(64))), "label_length");
        assert_eq!(code(&"abc.".repeat(64)), "name_too_long");
        assert_eq!(code("a..b"), "label_length");
        assert_eq!(code(""), "name_empty");
        assert_eq!(code("😀.example"), "name_character");
        assert_eq!(code("1.2.3"), "name_numeric_end");
        for bad in ["xn--a", "xn--99999999.example"] {
            assert_eq!(code(bad), "name_punycode", "{bad}");
        }
        assert_eq!(code("bücher.example"), "name_character");
        let good: San = "xn--bcher-kva.example".parse().unwrap();
        assert_eq!(good.to_string(), "xn--bcher-kva.example");
    }

    #[test]
    fn case_trailing_dot_and_repeats_are_normalised() {
        let names = Names::parse(["Shop.Example.com.", "shop.example.com", "192.0.2.1"]).unwrap();
        assert_eq!(names.to_texts(), ["shop.example.com", "192.0.2.1"]);
    }

    #[test]
    fn the_count_is_bounded() {
        assert!(Names::parse(Vec::<String>::new()).is_err());
        assert!(Names::parse((0..101).map(|n| format!("h{n}.example.com"))).is_err());
        assert!(Names::parse((0..100).map(|n| format!("h{n}.example.com"))).is_ok());
    }
}
