//! A certificate is asked for: one transaction writes certificate, order, audit row and job.

use super::batch::{self, Asked, Written};
use super::prepare::{Ask, prepare_all};
use crate::idempotency::{self, Answer, Idempotency};
use crate::{Caller, Context, Error, FieldFault};
use certmill_domain::ids::{CertificateId, JobId};
use serde::{Deserialize, Serialize};

/// The name of the profile that is used when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// What became of one ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum ItemOutcome {
    /// Written down; the job obtains the first version.
    Accepted {
        /// The certificate.
        certificate: CertificateId,
        /// The job that obtains its first version.
        job: JobId,
        /// Its normalised name.
        name: String,
    },
    /// The team already has a certificate of that name.
    Exists {
        /// The name.
        name: String,
    },
    /// The ask has faults.
    Refused {
        /// All of them.
        faults: Vec<FieldFault>,
    },
}

/// Asks for certificates; each gets its own outcome, in order. `pointer` gives an ask's place in
/// the body for its faults.
///
/// # Errors
/// [`Error::IdempotencyMismatch`], and failures of the database.
pub async fn request(
    context: &Context,
    caller: &Caller,
    asks: Vec<Ask>,
    pointer: fn(usize) -> String,
    idempotency: Option<&Idempotency>,
) -> Result<Answer<Vec<ItemOutcome>>, Error> {
    let prepared = prepare_all(asks, pointer).await?;
    let mut tx = context.begin().await?;
    if let Some(value) = idempotency::replay(&mut tx, caller, idempotency).await? {
        return Ok(Answer {
            value,
            replayed: true,
        });
    }
    let asked = |(place, prepared)| Asked {
        caller,
        prepared,
        at: pointer(place),
    };
    let asks = prepared.into_iter().enumerate().map(asked).collect();
    let Written { outcomes, lanes } = batch::write(context, &mut tx, asks).await?;
    idempotency::remember(&mut tx, caller, idempotency, &outcomes).await?;
    crate::context::commit(tx).await?;
    lanes.iter().for_each(|lane| context.hinter.hint(lane));
    Ok(Answer {
        value: outcomes,
        replayed: false,
    })
}
