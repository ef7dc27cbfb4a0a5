//! What finished jobs write: one file a kind, one line a kind in [`apply_kind`].
//!
//! Invariant: effects are applied only for jobs whose completion was accepted under their fences,
//! in the same transaction.

pub mod bulk;
pub mod chore;
pub mod crl;
pub mod crl_sweep;
pub mod issue;
pub mod ocsp_responder;
pub mod partition_care;
pub mod renewal_sweep;
pub mod revoke;

use crate::Error;
use crate::context::{begin, commit};
use crate::issuing::{self, Fault};
use crate::jobs::{see_to_cancelled, see_to_discarded};
use certmill_pg::{Pool, Tx};
use certmill_queue::finish::{fail, snooze};
use certmill_queue::{
    BoxError, ClaimedJob, Effects, FailOutcome, Failure, Finished, SnoozeOutcome, Stopped, Until,
};
use std::collections::BTreeMap;

/// The kinds that this build knows, sorted.
pub const KINDS: &[&str] = &[
    bulk::KIND,
    chore::KIND,
    crl::KIND,
    crl_sweep::KIND,
    issue::KIND,
    ocsp_responder::KIND,
    partition_care::KIND,
    renewal_sweep::KIND,
    revoke::KIND,
];

/// The registry of kinds, as the finisher calls it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

impl Effects for Registry {
    async fn apply(&self, tx: &mut Tx, accepted: &[&Finished]) -> Result<(), BoxError> {
        let mut by_kind: BTreeMap<&str, Vec<&serde_json::Value>> = BTreeMap::new();
        for finished in accepted {
            by_kind
                .entry(&finished.kind)
                .or_default()
                .push(&finished.effect);
        }
        for (kind, effects) in by_kind {
            apply_kind(kind, &effects, tx).await?;
        }
        Ok(())
    }
}

async fn apply_kind(
    kind: &str,
    effects: &[&serde_json::Value],
    tx: &mut Tx,
) -> Result<(), BoxError> {
    match kind {
        bulk::KIND => bulk::apply(read(effects)?, tx).await.map_err(Into::into),
        crl::KIND => crl::apply(read(effects)?, tx).await.map_err(Into::into),
        issue::KIND => issue::apply(read(effects)?, tx).await.map_err(Into::into),
        ocsp_responder::KIND => ocsp_responder::apply(read(effects)?, tx)
            .await
            .map_err(Into::into),
        revoke::KIND => revoke::apply(read(effects)?, tx).await.map_err(Into::into),
        chore::KIND | crl_sweep::KIND | partition_care::KIND | renewal_sweep::KIND => Ok(()),
        unknown => Err(format!("this build knows no effect of the kind {unknown}").into()),
    }
}

/// Reads effects; a job that found its work done already hands in none.
fn read<T: serde::de::DeserializeOwned>(
    effects: &[&serde_json::Value],
) -> Result<Vec<T>, BoxError> {
    effects
        .iter()
        .filter(|effect| !effect.is_null())
        .map(|effect| T::deserialize(*effect).map_err(Into::into))
        .collect()
}

/// Fails a job's attempt under its fence; a kind whose rows show the failure writes them in the same
/// transaction. One line a kind that has such rows.
///
/// # Errors
/// [`Error::LeaseLost`]: nothing was written.
pub async fn settle_failure(
    pool: &Pool,
    job: &ClaimedJob,
    failure: &Failure,
    fault: &Fault,
) -> Result<FailOutcome, Error> {
    match job.kind.as_str() {
        issue::KIND => issuing::settle_failure(pool, job, failure, fault).await,
        _ => {
            let mut tx = begin(pool).await?;
            let outcome = fail(&mut tx, &job.lease, failure).await?;
            match outcome {
                FailOutcome::Retry { .. } => {}
                FailOutcome::Discarded => {
                    see_to_discarded(&mut tx, &job.kind, &job.args, &fault.detail).await?;
                }
                FailOutcome::Cancelled => {
                    see_to_cancelled(&mut tx, job.team_id, &job.kind, &job.args).await?;
                }
            }
            commit(tx).await?;
            Ok(outcome)
        }
    }
}

/// Puts a job aside under its fence. One that was to be cancelled ends instead, and the kind's rows
/// say so in the same transaction; `stopped` is how it came to that.
///
/// # Errors
/// [`Error::LeaseLost`]: nothing was written.
pub async fn settle_snooze(
    pool: &Pool,
    job: &ClaimedJob,
    until: Until,
    waiting_code: &str,
    stopped: Option<&Stopped>,
) -> Result<SnoozeOutcome, Error> {
    let mut tx = begin(pool).await?;
    let outcome = snooze(&mut tx, &job.lease, until, waiting_code, stopped).await?;
    if outcome == SnoozeOutcome::Cancelled {
        see_to_cancelled(&mut tx, job.team_id, &job.kind, &job.args).await?;
    }
    commit(tx).await?;
    Ok(outcome)
}
