//! The kinds of jobs: one file a kind, one line a kind in [`run`].

mod crl;
mod crl_sweep;
mod issue;
mod ocsp_responder;
mod partition_care;
mod renewal_sweep;
mod revoke;

use crate::issuers::Issuers;
use crate::loader::Loader;
use crate::outcome::{Failed, Outcome};
use certmill_pg::Pool;
use certmill_queue::{ClaimedJob, FailureClass, Hinter};
use certmill_service::Error;
use certmill_service::effects;
use std::time::Duration;

/// What handlers work with.
pub(crate) struct Tools {
    pub(crate) pool: Pool,
    pub(crate) hinter: Hinter,
    pub(crate) issuers: Issuers,
    pub(crate) loader: Loader,
}

/// Runs one attempt.
pub(crate) async fn run(tools: &Tools, job: &ClaimedJob) -> Outcome {
    let outcome = match job.kind.as_str() {
        effects::crl::KIND => crl::run(tools, job).await,
        effects::crl_sweep::KIND => crl_sweep::run(tools, job).await,
        effects::issue::KIND => issue::run(tools, job).await,
        effects::ocsp_responder::KIND => ocsp_responder::run(tools, job).await,
        effects::partition_care::KIND => partition_care::run(tools).await,
        effects::renewal_sweep::KIND => renewal_sweep::run(tools, job).await,
        effects::revoke::KIND => revoke::run(tools, job).await,
        // A newer build made it: leave it for one that knows the kind.
        _ => {
            return Outcome::Snooze {
                after: Duration::from_secs(30),
                code: "unknown_kind",
            };
        }
    };
    outcome.unwrap_or_else(|error| outcome_of(&error, job.attempt))
}

/// The outcome of a failure that is not a connector's.
fn outcome_of(error: &Error, attempt: i16) -> Outcome {
    let (code, class) = match error {
        Error::LeaseLost => return Outcome::Abandon,
        Error::Store(certmill_store::Error::Unavailable(_))
        | Error::Unknown(_)
        | Error::Queue(_)
        | Error::Coordination(_) => ("database_unavailable", FailureClass::Retry),
        Error::Store(_) | Error::Crypto(_) => ("row_unusable", FailureClass::Rejected),
        Error::Conflict { code, .. } => (*code, FailureClass::Rejected),
        Error::NotFound(_) => ("object_gone", FailureClass::Rejected),
        Error::Misconfigured(_) => ("misconfigured", FailureClass::Misconfigured),
        Error::Invalid(_)
        | Error::IdempotencyMismatch
        | Error::SecretShownOnce { .. }
        | Error::Forbidden(_) => ("refused", FailureClass::Rejected),
    };
    Outcome::Fail(Failed {
        class,
        code: code.to_owned(),
        detail: error.to_string(),
        backoff: certmill_queue::backoff::backoff(class, attempt, &mut rand::rng()),
        permanent: class != FailureClass::Retry,
    })
}

/// The arguments of a job, as its kind reads them.
fn args<T: serde::de::DeserializeOwned>(job: &ClaimedJob) -> Result<T, Error> {
    serde_json::from_value(job.args.clone())
        .map_err(|why| Error::Store(certmill_store::Error::Corrupt(format!("job args: {why}"))))
}
