//! The local certificate authority: roots, issuing CAs and leaves.
//!
//! Invariant: what is signed depends on the plan, the key and the issuing
//! certificate alone, so that a repeat after a crash signs the same bytes.

mod ca_plan;
mod constraints;
mod error;
mod hierarchy;
mod hierarchy_error;
mod leaf_plan;
mod signing_ca;

pub use ca_plan::{CaPlan, create_root};
pub use error::CaError;
pub use hierarchy::Hierarchy;
pub use hierarchy_error::HierarchyError;
pub use leaf_plan::{LeafPlan, Purpose};
pub use signing_ca::SigningCa;
