//! Key pairs and public keys, with the strength that certmill asks of them.
//!
//! Invariant: a [`PublicKey`] exists only for a key that passed every check, so
//! that nothing weak can reach a signature by another way.

mod error;
mod private_key;
mod public_key;
mod rsa_strength;

pub use error::KeyError;
pub use private_key::PrivateKey;
pub use public_key::PublicKey;
