//! Why something could not be sealed or opened.
//!
//! Invariant: messages name the place and the key ids, never key or content.

use crate::random::RandomError;
use crate::seal::KekId;

/// A failed seal or open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The bytes are no envelope of a known version.
    #[error(
        "{place}: the stored secret is no sealed envelope of a version that this program knows"
    )]
    Malformed {
        /// Table, column and row.
        place: String,
    },
    /// The envelope was sealed under a key that this process did not load.
    #[error(
        "{place}: sealed under key {kek_id}, which is not loaded (loaded: {loaded}); \
         give the file of that key, or of its successor after re-sealing"
    )]
    UnknownKek {
        /// Table, column and row.
        place: String,
        /// The key that the envelope names.
        kek_id: KekId,
        /// The keys of this process, separated by commas.
        loaded: String,
    },
    /// Damaged, or moved here from another row, column or table.
    #[error("{place}: the sealed secret is damaged or was moved here from another row")]
    Refused {
        /// Table, column and row.
        place: String,
    },
    /// No random bytes for the data key or a nonce.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The cipher refused to encrypt; this needs more memory than there is, or a
    /// plaintext beyond 64 GiB.
    #[error("{place}: the cipher refused to encrypt")]
    Cipher {
        /// Table, column and row.
        place: String,
    },
}
