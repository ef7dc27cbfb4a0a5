//! An address for a server that is about to be started.
//!
//! Invariant: it lies outside the range from which the system draws ports, so that no connection and
//! no listener on port 0 takes it before the server, or while the server is started anew.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below the ranges from which systems draw (RFC 6335, section 6: 49152 and above; Linux: 32768).
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// An address on loopback that nobody listens on.
///
/// # Panics
/// All of them are taken.
#[must_use]
pub fn free_address() -> SocketAddr {
    let is_free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    let drawn = std::iter::repeat_with(|| rand::random_range(PORTS));
    let mut addresses = drawn.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses
        .by_ref()
        .take(1_000)
        .find(is_free)
        .unwrap_or_else(|| panic!("no port of {PORTS:?} is free on loopback"))
}
