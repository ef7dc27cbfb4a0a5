//! The seed and the length of a run.
//!
//! Invariant: the seed is printed, and `CERTMILL_TEST_SEED` replays its choices.
#![allow(
    clippy::disallowed_methods,
    reason = "tests have no settings to read this from"
)]

use std::time::Duration;

use crate::progress::say;

/// The seed of this run.
pub fn seed() -> u64 {
    let seed = match std::env::var("CERTMILL_TEST_SEED") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("CERTMILL_TEST_SEED is not a number: {text}")),
        Err(_) => rand::random(),
    };
    say(format_args!(
        "seed {seed} (CERTMILL_TEST_SEED={seed} replays it)"
    ));
    seed
}

/// Whether this is the long run, with many processes.
pub fn is_full() -> bool {
    std::env::var("CERTMILL_TEST_FULL").is_ok_and(|full| full == "1")
}

/// How long faults go on: 90 s, or 10 minutes with `CERTMILL_TEST_FULL=1`.
pub fn length() -> Duration {
    match is_full() {
        true => Duration::from_secs(600),
        false => Duration::from_secs(90),
    }
}
