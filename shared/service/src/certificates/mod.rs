//! What users do with certificates: request, renew, revoke, read.

mod batch;
mod intake;
mod new_key;
mod prepare;
mod read;
mod renew;
mod request;
mod revoke;

pub use intake::{Intake, Taken};
pub use prepare::Ask;
pub use read::{
    Detail, by_id, chain_pem, key_pem, list, version_pem, versions, versions_by_ids, with_job,
};
pub use renew::{RenewAsk, Renewal, renew, renew_with};
pub use request::{DEFAULT_PROFILE, ItemOutcome, request};
pub use revoke::{RevocationTask, RevokeAsk, Revoked, Which, revocation_task, revoke};
