//! The authorities that certmill signs with: made here, imported, rolled over, retired.
//!
//! Invariant: an issuer moves to another authority in one transaction; what the earlier one signed
//! keeps its chain, and its root stays a trust anchor until it is retired.

mod import;
pub(crate) mod make;
mod retire;
mod roll;
mod stand;

pub use import::{Import, Imported, Target, import};
pub use retire::retire;
pub use roll::{Rolled, roll, roll_root};
pub use stand::{Standing, anchors_pem, list};
