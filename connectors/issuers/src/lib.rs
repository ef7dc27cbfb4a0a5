//! The certificate authorities that certmill can speak to, one folder a connector.
//!
//! Invariant: everything that is listed anywhere comes from the one list in
//! `registry.rs`.

mod local;
mod registry;
mod rehearsal;

pub use registry::{Listing, catalog, connect, is_known};
