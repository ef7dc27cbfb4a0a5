//! Name constraints of the issuing CA (RFC 5280, section 4.2.1.10), checked before
//! anything is signed.
//!
//! Invariant: a kind of constraint that could apply to our names and cannot be
//! read refuses everything.

use std::net::IpAddr;

use certmill_domain::names::{Names, San};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree};

use crate::ca::CaError;

/// The readable constraints of one CA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Constraints {
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subtree {
    Dns(String),
    Ip { network: Vec<u8>, mask: Vec<u8> },
}

impl Constraints {
    pub(super) fn read(certificate: &X509Certificate<'_>) -> Result<Self, CaError> {
        let found = certificate
            .name_constraints()
            .map_err(|_| CaError::UnsupportedConstraint)?;
        let Some(found) = found else {
            return Ok(Self::default());
        };
        Ok(Self {
            permitted: subtrees(found.value.permitted_subtrees.as_deref())?,
            excluded: subtrees(found.value.excluded_subtrees.as_deref())?,
        })
    }

    pub(super) fn admit(&self, names: &Names) -> Result<(), CaError> {
        let outside = names.as_slice().iter().find(|name| !self.allows(name));
        match outside {
            Some(name) => Err(CaError::NameConstraint {
                name: name.to_string(),
            }),
            None => Ok(()),
        }
    }

    fn allows(&self, name: &San) -> bool {
        let mut same_kind = self
            .permitted
            .iter()
            .filter(|tree| tree.concerns(name))
            .peekable();
        let permitted = same_kind.peek().is_none() || same_kind.any(|tree| tree.covers(name));
        permitted && !self.excluded.iter().any(|tree| tree.touches(name))
    }
}

impl Subtree {
    fn concerns(&self, name: &San) -> bool {
        matches!(
            (self, name),
            (Self::Dns(_), San::Dns(_)) | (Self::Ip { .. }, San::Ip(_))
        )
    }

    /// Whether every host that `name` stands for is inside.
    fn covers(&self, name: &San) -> bool {
        match (self, name) {
            (Self::Dns(base), San::Dns(name)) => is_within(name, base),
            (Self::Ip { network, mask }, San::Ip(address)) => {
                let octets = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                octets.len() == network.len()
                    && octets
                        .iter()
                        .zip(mask)
                        .zip(network)
                        .all(|((octet, mask), network)| octet & mask == network & mask)
            }
            _ => false,
        }
    }

    /// Whether any host that `name` stands for is inside: a wildcard reaches into
    /// the excluded `a.example` from `*.example`.
    fn touches(&self, name: &San) -> bool {
        let reaches = match (self, name) {
            (Self::Dns(base), San::Dns(name)) => name
                .strip_prefix("*.")
                .is_some_and(|parent| base.split_once('.').is_some_and(|(_, up)| up == parent)),
            _ => false,
        };
        reaches || self.covers(name)
    }
}

/// A leading dot is no part of the grammar but common, and means "below only".
fn is_within(name: &str, base: &str) -> bool {
    if base.starts_with('.') {
        return name.ends_with(base);
    }
    base.is_empty()
        || name == base
        || name
            .strip_suffix(base)
            .is_some_and(|head| head.ends_with('.'))
}

fn subtrees(list: Option<&[GeneralSubtree<'_>]>) -> Result<Vec<Subtree>, CaError> {
    let trees = list
        .unwrap_or_default()
        .iter()
        .filter_map(|tree| match &tree.base {
            GeneralName::DNSName(base) => Some(Ok(Subtree::Dns(base.to_ascii_lowercase()))),
            GeneralName::IPAddress(octets) if matches!(octets.len(), 8 | 32) => {
                let (network, mask) = octets.split_at(octets.len() / 2);
                Some(Ok(Subtree::Ip {
                    network: network.to_vec(),
                    mask: mask.to_vec(),
                }))
            }
            // Kinds that our certificates never carry cannot be violated by them.
            GeneralName::RFC822Name(_) | GeneralName::URI(_) => None,
            _ => Some(Err(CaError::UnsupportedConstraint)),
        });
    trees.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn admits(constraints: &Constraints, name: &str) -> bool {
        constraints.admit(&Names::parse([name]).unwrap()).is_ok()
    }

    #[test]
    fn permitted_and_excluded_trees() {
        let constraints = Constraints {
            permitted: vec![
                Subtree::Dns("example.com".into()),
                Subtree::Ip {
                    network: vec![10, 0, 0, 0],
                    mask: vec![255, 0, 0, 0],
                },
            ],
            excluded: vec![Subtree::Dns("secret.example.com".into())],
        };
        for name in [
            "example.com",
            "a.example.com",
            "*.a.example.com",
            "10.9.9.9",
        ] {
            assert!(admits(&constraints, name), "{name}");
        }
        for name in [
            "badexample.com",
            "example.org",
            "secret.example.com",
            "x.secret.example.com",
            "*.example.com",
            "11.0.0.1",
            "2001:db8::1",
        ] {
            assert!(!admits(&constraints, name), "{name}");
        }
    }

    #[test]
    fn without_a_permitted_tree_of_its_kind_a_name_is_free() {
        let dns_only = Constraints {
            permitted: vec![Subtree::Dns("example.com".into())],
            excluded: Vec::new(),
        };
        assert!(admits(&dns_only, "192.0.2.1"));
        assert!(admits(&Constraints::default(), "anything.example"));
        let below = Constraints {
            permitted: vec![Subtree::Dns(".example.com".into())],
            excluded: Vec::new(),
        };
        assert!(admits(&below, "a.example.com") && !admits(&below, "example.com"));
        let nothing = Constraints {
            permitted: Vec::new(),
            excluded: vec![Subtree::Dns(String::new())],
        };
        assert!(!admits(&nothing, "anything.example"));
    }
}
