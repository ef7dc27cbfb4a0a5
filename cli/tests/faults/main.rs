//! The short run of `certmill-loadtest faults`: six faults on real processes, and the controls that
//! must be found out. With `CERTMILL_TEST_FULL=1` every fault, which takes half an hour.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests have no settings to read this from"
)]

use std::path::PathBuf;

use certmill_loadtest::{faults, play};

#[test]
fn processes_keep_their_promises_under_faults() {
    let full = std::env::var("CERTMILL_TEST_FULL").is_ok_and(|full| full == "1");
    let seed = std::env::var("CERTMILL_TEST_SEED");
    play(&faults::Options {
        quick: !full,
        seed: seed.ok().map(|seed| seed.parse().unwrap()),
        length_s: 9,
        certmill: Some(PathBuf::from(env!("CARGO_BIN_EXE_certmill"))),
        pgbouncer: certmill_testkit::tool("pgbouncer"),
        ..faults::Options::default()
    })
    .unwrap();
}
