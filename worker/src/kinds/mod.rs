//! The kinds of jobs: one file a kind, one word a kind in the list below.

mod bulk;
mod chore;
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
use crate::runtime::Retention;
use certmill_domain::waiting;
use certmill_pg::Pool;
use certmill_queue::{ClaimedJob, FailureClass, Hinter, Stops};
use certmill_service::Error;
use certmill_service::effects;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Before a build that knows more may have come.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What handlers work with.
pub(crate) struct Tools {
    pub(crate) pool: Pool,
    pub(crate) stops: Stops,
    pub(crate) retention: Retention,
    pub(crate) hinter: Hinter,
    pub(crate) issuers: Issuers,
    pub(crate) loader: Loader,
}

/// Each kind is a module here and one of the same name in the effects.
macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// The kinds that this build knows.
        pub(crate) const KNOWN: &[&str] = &[$(effects::$kind::KIND),*];

        async fn attempt(tools: &Tools, job: &ClaimedJob) -> Option<Result<Outcome, Error>> {
            match job.kind.as_str() {
                $(effects::$kind::KIND => Some($kind::run(tools, job).await),)*
                _ => None,
            }
        }
    };
}

kinds!(
    bulk,
    chore,
    crl,
    crl_sweep,
    issue,
    ocsp_responder,
    partition_care,
    renewal_sweep,
    revoke,
);

/// Runs one attempt.
pub(crate) async fn run(tools: &Tools, job: &ClaimedJob) -> Outcome {
    match attempt(tools, job).await {
        Some(Ok(outcome)) => outcome,
        Some(Err(Error::Store(why @ certmill_store::Error::Newer { .. }))) => left_to_newer(&why),
        Some(Err(error)) => outcome_of(&error, job.attempt),
        // Claims leave them to a build that knows the kind.
        None => Outcome::Snooze {
            after: LOOK_AGAIN,
            code: waiting::UNKNOWN_KIND,
        },
    }
}

/// It waits for a worker of a newer build, without using up an attempt.
fn left_to_newer(why: &certmill_store::Error) -> Outcome {
    tracing::warn!(event = "job_of_a_newer_build", %why, "left alone");
    Outcome::Snooze {
        after: LOOK_AGAIN,
        code: waiting::NEWER_BUILD,
    }
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

/// The arguments of a job, as its kind reads them. Who has more of them than this build knows was
/// made by a newer one: to leave them out could do something else than was asked for.
fn args<T: Serialize + DeserializeOwned>(job: &ClaimedJob) -> Result<T, Error> {
    let corrupt = |why| Error::Store(certmill_store::Error::Corrupt(format!("job args: {why}")));
    let read: T = serde_json::from_value(job.args.clone()).map_err(corrupt)?;
    let known = serde_json::to_value(&read).map_err(corrupt)?;
    let given = job.args.as_object().into_iter().flatten();
    let mut more = given.filter(|(key, value)| !value.is_null() && known.get(key).is_none());
    match more.next() {
        None => Ok(read),
        Some((key, _)) => Err(certmill_store::newer("job.args", key).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_kind_has_a_handler_and_an_effect() {
        let handled: BTreeSet<_> = KNOWN.iter().collect();
        assert_eq!(handled, effects::KINDS.iter().collect());
    }
}
