//! All product SQL, one module an aggregate; functions take a connection, so that the caller
//! decides which statements share a transaction.
//!
//! Invariant: nothing here decides. Rows come out as domain values or as [`Error::Corrupt`].
#![allow(clippy::disallowed_methods, reason = "store is one of the SQL crates")]

pub mod advance;
pub mod api_key;
pub mod audit;
pub mod bootstrap_door;
pub mod ca_key;
pub mod ca_life;
pub mod certificate;
pub mod clock;
pub mod crl;
pub mod event;
pub mod expiry;
pub mod history_cut;
pub mod idempotency;
pub mod issuer;
pub mod journal;
pub mod kek;
pub mod ocsp_responder;
pub mod operation;
pub mod order;
pub mod profile;
pub mod revocation;
pub mod sealed;
pub mod shown_by;
pub mod standing;
pub mod sweep;
pub mod version;
pub mod walk;

mod error;

pub use error::{Error, newer};
