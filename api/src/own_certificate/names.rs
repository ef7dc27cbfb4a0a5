//! The names that the own certificate speaks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use certmill_domain::names::San;

/// The listen address if it is one, loopback, the host's name, and what the settings add.
/// Words that are no names are left out: a host name may hold anything.
pub(crate) fn wanted_names(
    listen: SocketAddr,
    host_name: &str,
    public_names: &[String],
) -> Vec<San> {
    let mut names = vec![
        San::Dns("localhost".to_owned()),
        San::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    ];
    if listen.is_ipv6() {
        names.push(San::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    }
    if !listen.ip().is_unspecified() {
        names.push(San::Ip(listen.ip()));
    }
    let given = std::iter::once(host_name).chain(public_names.iter().map(String::as_str));
    names.extend(given.filter_map(|text| text.parse().ok()));
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use certmill_domain::names::Names;

    #[test]
    fn odd_host_names_and_any_addresses_are_left_out() {
        let listen = "[::]:8443".parse().unwrap();
        let names = wanted_names(listen, "my_host", &["certs.example.com".to_owned()]);
        let texts = Names::new(names).unwrap().to_texts();
        assert_eq!(texts.len(), 4);
        assert!(texts.contains(&"::1".to_owned()));
        assert!(texts.contains(&"certs.example.com".to_owned()));
        let names = wanted_names("10.0.0.7:1".parse().unwrap(), "web1", &[]);
        let texts = Names::new(names).unwrap().to_texts();
        assert!(texts.contains(&"10.0.0.7".to_owned()) && texts.contains(&"web1".to_owned()));
    }
}
