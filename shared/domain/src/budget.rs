//! Which keys an order is charged under: what a CA counts its limits by.

use crate::names::{Names, San};
use crate::place;
use std::collections::BTreeSet;
use std::str::FromStr;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All orders of the issuer.
    Account,
    /// Orders by each registered domain among their names.
    RegisteredDomain,
    /// Orders of exactly the same names.
    NameSet,
}

impl Scope {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Account, Self::RegisteredDomain, Self::NameSet];

    /// The word in rows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::RegisteredDomain => "registered_domain",
            Self::NameSet => "name_set",
        }
    }

    /// The keys of an order for these names. Those of a set of names are long; whoever stores them
    /// stores a digest.
    #[must_use]
    pub fn keys(self, names: &Names) -> BTreeSet<String> {
        match self {
            Self::Account => BTreeSet::from([String::new()]),
            Self::RegisteredDomain => names.as_slice().iter().map(registered).collect(),
            Self::NameSet => {
                let texts: BTreeSet<String> = names.to_texts().into_iter().collect();
                let texts: Vec<String> = texts.into_iter().collect();
                BTreeSet::from([texts.join(",")])
            }
        }
    }
}

/// A scope that this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown budget scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let mut all = Self::ALL.into_iter();
        all.find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// One label below the public suffix. A public suffix itself, and a name without one, is its own.
fn registered(name: &San) -> String {
    match name {
        San::Ip(address) => place(*address),
        San::Dns(text) => {
            let text = text.strip_prefix("*.").unwrap_or(text);
            psl::domain_str(text).unwrap_or(text).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keys(scope: Scope, names: &[&str]) -> Vec<String> {
        let names = Names::parse(names).unwrap();
        scope.keys(&names).into_iter().collect()
    }

    #[test]
    fn domains_are_registered_below_a_public_suffix() {
        let names = [
            "*.shop.example.co.uk",
            "example.co.uk",
            "a.b.example.com",
            "me.github.io",
        ];
        assert_eq!(
            keys(Scope::RegisteredDomain, &names),
            ["example.co.uk", "example.com", "me.github.io"]
        );
        assert_eq!(
            keys(Scope::RegisteredDomain, &["192.0.2.7", "2001:db8:1:2:3::4"]),
            ["192.0.2.7", "2001:db8:1:2::/64"]
        );
    }

    #[test]
    fn a_set_of_names_is_one_whatever_its_order() {
        let set = keys(Scope::NameSet, &["b.example.com", "a.example.com"]);
        assert_eq!(set, ["a.example.com,b.example.com"]);
        assert_eq!(keys(Scope::Account, &["a.example.com"]), [""]);
    }

    #[test]
    fn words_are_read_back() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert_eq!("planet".parse::<Scope>(), Err(UnknownScope));
    }
}
