//! Secrets at rest: AES-256-GCM envelopes under a key-encryption key (KEK).
//!
//! Invariant: an envelope opens only under the KEK that sealed it and only in
//! the table, column and row that it was sealed for. Each envelope has its own
//! data key, so the KEK's subkey encrypts one 32-byte key an envelope and stays
//! far below the 2^32 messages that random 96-bit nonces allow (NIST SP 800-38D, 8.3).

mod envelope;
mod error;
mod kek;
mod kek_file;
mod keyring;
mod live_keyring;
mod place;

pub use envelope::sealed_under;
pub use error::SealError;
pub use kek::{Kek, KekId, KekIdError};
pub use kek_file::KekFileError;
pub use keyring::Keyring;
pub use live_keyring::LiveKeyring;
pub use place::Place;
