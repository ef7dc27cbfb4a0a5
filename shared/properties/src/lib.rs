//! What must hold for any input whatsoever, one function a reader of foreign bytes.
//!
//! Invariant: the fuzz targets and the replay of the committed corpus call the same functions; a
//! property that does not hold panics.

mod csr;
mod cursor;
mod envelope;
mod pem_bundle;
#[cfg(test)]
mod replay_tests;
mod settings;

pub use csr::csr;
pub use cursor::cursor;
pub use envelope::envelope;
pub use pem_bundle::pem_bundle;
pub use settings::settings;

/// A property of any input.
pub type Property = fn(&[u8]);

/// Every property by the name of its fuzz target and of its folder in the corpus.
pub const PROPERTIES: [(&str, Property); 5] = [
    ("csr", csr),
    ("cursor", cursor),
    ("envelope", envelope),
    ("pem_bundle", pem_bundle),
    ("settings", settings),
];

/// What clients may match on: short, lower case, no blanks.
fn assert_stable_code(code: &str) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fits = (1..=40).contains(&code.len());
    assert!(fits && code.chars().all(plain), "no stable code: {code}");
}

/// One line that neither drowns a log nor plays with a terminal.
fn assert_one_plain_line(message: &str, len_max: usize) {
    assert!(
        message.len() <= len_max,
        "a message of {} bytes",
        message.len()
    );
    assert!(
        !message.chars().any(char::is_control),
        "control characters in {message:?}"
    );
}
