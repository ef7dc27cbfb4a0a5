//! What is told while a suite runs: lines on stderr, so that stdout holds the table alone.
//!
//! Invariant: a reader that goes away does not end the run.

use std::io::Write as _;

/// One line on stderr.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Text on stdout.
pub fn out(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
