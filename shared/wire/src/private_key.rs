//! A private key where none belongs: told apart from any other fault, so that its owner replaces it.
//!
//! Invariant: nothing of the text is repeated, neither in the answer nor in the log.

/// The stable code.
pub(crate) const CODE: &str = "private_key_received";
/// What became of it, and what to do.
pub(crate) const DETAIL: &str =
    "a private key was sent; it was neither stored nor logged, but it has left its host";
/// What to do.
pub(crate) const HINT: &str = "treat the key as leaked: make a new key, send its certificate request alone, and replace the \
     old key wherever it is in use";

/// Whether the text holds the head or foot of a private key in PEM (RFC 7468, sections 10 and 11).
pub(crate) fn is_in(text: &[u8]) -> bool {
    const MARK: &[u8] = b"PRIVATE KEY-----";
    text.windows(MARK.len()).any(|window| window == MARK)
}
