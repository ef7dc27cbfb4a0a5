//! What users do with certificates: request, renew, read.

mod prepare;
mod read;
mod renew;
mod request;

pub use prepare::Ask;
pub use read::{Detail, by_id, chain_pem, key_pem, list, version_pem, versions};
pub use renew::{Renewal, renew};
pub use request::{DEFAULT_PROFILE, ItemOutcome, request};
