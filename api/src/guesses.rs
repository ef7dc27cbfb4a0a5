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

/// The subscriber behind the peer of a socket; an IPv4 address that is mapped into IPv6 is itself.
pub(crate) fn place(peer: IpAddr) -> String {
    certmill_domain::place(peer.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mapped_address_is_that_address() {
        let place = |text: &str| place(text.parse().unwrap());
        assert_eq!(place("::ffff:192.0.2.7"), place("192.0.2.7"));
        assert_eq!(place("2001:db8:1:2::1"), "2001:db8:1:2::/64");
    }
}
