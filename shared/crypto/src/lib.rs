//! Keys, CSRs, chains, the certificates and lists that the local CA signs, OCSP,
//! and the sealing of secrets at rest.
//!
//! Invariant: a secret that leaves this crate leaves it zeroized on drop and
//! without `Debug` or `Serialize`; errors name places and codes, never contents.

pub mod bootstrap_token;
pub mod ca;
pub mod chain;
pub mod csr;
pub mod cursor;
pub mod digest;
pub mod keys;
pub mod mac;
pub mod ocsp;
pub mod random;
pub mod seal;
pub mod token;

mod pem;
mod san;
#[cfg(test)]
mod secret_types_tests;
mod signature;
