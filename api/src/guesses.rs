//! How many wrong keys and tokens an address may send, over all replicas.
//!
//! Invariant: only the peer of the socket counts, never a header. Who sends a valid key asks
//! nothing here, and whoever shares an address with a guesser is not locked out.

use std::net::IpAddr;
use std::time::Duration;

use certmill_coordination::{Ask, GcraLimit};

use crate::Error;
use crate::app::App;
use crate::rates::{self, Rates};

/// What is guessed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guess {
    /// An API key; those with typing errors are refused before and do not count.
    Key,
    /// The bootstrap token.
    Token,
}

impl Guess {
    fn row(self) -> (&'static str, GcraLimit) {
        let (word, each_s, burst) = match self {
            Self::Key => ("key", 3, 20),
            Self::Token => ("token", 12, 5),
        };
        let emission_interval = Duration::from_secs(each_s);
        let limit = GcraLimit {
            emission_interval,
            burst,
        };
        (word, limit)
    }
}

/// Counts a guess of this peer; beyond the limit it is `rate_limited`.
pub(crate) async fn count(app: &App, peer: IpAddr, guess: Guess) -> Result<(), Error> {
    let (word, limit) = guess.row();
    let key = format!("guess:{word}:{}", place(peer));
    let ask = Ask { key: &key, limit };
    // An uncounted guess is not answered, or an outage would make guessing free.
    let ruling = app.guesses.take_strictly([ask]).await;
    let ruling = ruling.map_err(Error::database)?;
    let Some(denial) = ruling.denied else {
        return Ok(());
    };
    let detail = format!("too many wrong {word}s from this address");
    Err(rates::refusal(
        detail,
        denial.retry_after,
        Rates::of([("guesses", limit, 0)]),
    ))
}

/// One subscriber: an IPv4 address, or the 64 bits of IPv6 that one is usually given.
pub(crate) fn place(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_subscriber_is_one_place() {
        let place = |text: &str| place(text.parse().unwrap());
        assert_eq!(place("192.0.2.7"), "192.0.2.7");
        assert_eq!(place("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(place("2001:db8:1:2:3:4:5:6"), place("2001:db8:1:2:ffff::1"));
        assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
    }
}
