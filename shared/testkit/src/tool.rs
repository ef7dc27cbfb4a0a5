//! Tools of other people that tests ask for a second opinion, at the versions that xtask pins.
//!
//! Invariant: a test without its tool fails, unless the runner has said that it leaves it out and
//! why; nothing is skipped in silence.

use std::io::Write as _;
use std::path::PathBuf;

/// The executable `name` of the pinned tools (`schemathesis`, `lint_pkix_cert`, `pgbouncer`, ..).
/// `None` where `cargo xtask test` could not install it: it has said so, and the test returns.
///
/// # Panics
/// When the test runs by hand and does not know where the tools are, with the way to tell it.
#[allow(
    clippy::disallowed_methods,
    reason = "tests have no settings to read this from"
)]
pub fn tool(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("CERTMILL_TEST_TOOLS").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join(name));
    if let Some(path) = places.find(|path| path.is_file()) {
        return Some(path);
    }
    let Some(why) = std::env::var_os("CERTMILL_TEST_TOOLS_LEFT_OUT") else {
        panic!(
            "this test calls {name}, which is not in CERTMILL_TEST_TOOLS: run \
             `export \"$(cargo xtask tools)\"` once in this shell"
        );
    };
    let why = why.to_string_lossy();
    // Not by a print macro: the test harness would keep that for itself.
    writeln!(std::io::stderr(), "LEFT OUT: {name}: {why}").ok();
    None
}
