//! Subject alternative names (RFC 5280, section 4.2.1.6) to and from DER.
//!
//! Invariant: only DNS names and IP addresses cross this file, and a name that is
//! written here reads back as the same name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use certmill_domain::names::{InvalidName, Names, San};
use rcgen::SanType;
use x509_parser::extensions::GeneralName;

/// Why one general name was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SanFault {
    /// Neither a DNS name nor an IP address, or not well-formed.
    Unsupported,
    /// A DNS name that is an address, or ends in a dot.
    Misplaced,
    /// Not a permitted name.
    Invalid(InvalidName),
}

/// The names as rcgen writes them, in their order.
pub(crate) fn to_rcgen(names: &Names) -> Result<Vec<SanType>, rcgen::Error> {
    let sans = names.as_slice().iter();
    sans.map(|san| match san {
        San::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
        San::Ip(address) => Ok(SanType::IpAddress(*address)),
    })
    .collect()
}

/// One parsed general name as ours.
pub(crate) fn from_general_name(name: &GeneralName<'_>) -> Result<San, SanFault> {
    match name {
        GeneralName::DNSName(text) => {
            if text.ends_with('.') || text.trim() != *text || text.parse::<IpAddr>().is_ok() {
                return Err(SanFault::Misplaced);
            }
            text.parse().map_err(SanFault::Invalid)
        }
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(|o| IpAddr::V4(Ipv4Addr::from(o)));
            let v6 = || <[u8; 16]>::try_from(*octets).map(|o| IpAddr::V6(Ipv6Addr::from(o)));
            v4.or_else(|_| v6())
                .map(San::Ip)
                .map_err(|_| SanFault::Unsupported)
        }
        _ => Err(SanFault::Unsupported),
    }
}
