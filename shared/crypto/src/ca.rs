//! The local certificate authority: roots, issuing CAs, leaves, and what tells
//! which of them are revoked.
//!
//! Invariant: what is signed depends on the plan, the key and the issuing
//! certificate alone, so that a repeat after a crash signs the same bytes.

mod ca_plan;
mod constraints;
mod crl_plan;
mod error;
mod hierarchy;
mod hierarchy_error;
mod identity;
mod leaf_plan;
mod responder_plan;
mod signing_ca;
mod status_urls;

pub use ca_plan::{CaPlan, create_root};
pub use crl_plan::{CrlPlan, RevokedSerial};
pub use error::CaError;
pub use hierarchy::Hierarchy;
pub use hierarchy_error::HierarchyError;
pub use identity::CaIdentity;
pub(crate) use identity::sha1;
pub use leaf_plan::{LeafPlan, Purpose};
pub use responder_plan::ResponderPlan;
pub use signing_ca::SigningCa;
pub use status_urls::StatusUrls;
