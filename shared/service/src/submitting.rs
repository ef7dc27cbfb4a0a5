//! Before a CA is asked: the order says so, and the issuer's budgets are charged.
//!
//! Invariant: whatever leaves for the CA has a row of grant in each of the issuer's budgets, committed
//! before and not older than the answer says.

use crate::Error;
use crate::context::{begin, commit};
use crate::issuing::Task;
use certmill_coordination::budget::{self, Budget, Charge, Denial, Granting};
use certmill_crypto::digest::sha256;
use certmill_domain::budget::Scope;
use certmill_domain::names::Names;
use certmill_pg::Pool;
use certmill_queue::lane::{self, Closing};
use certmill_queue::{ClaimedJob, checkpoint};
use certmill_store::order;
use std::time::{Duration, Instant};

/// Whether the CA may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submission {
    /// Ask before this instant, or not at all.
    Until(Instant),
    /// Not now: all orders of the issuer wait, and its lane is closed.
    LaneClosed,
    /// Not now: the names of this order wait this long.
    After(Duration),
}

/// Keys are digests where they can be long.
fn key(scope: Scope, key: String) -> String {
    match scope {
        Scope::NameSet => data_encoding::HEXLOWER.encode(&sha256(key.as_bytes())),
        Scope::Account | Scope::RegisteredDomain => key,
    }
}

/// Each budget with each of its keys for these names.
fn keyed<'a>(budgets: &'a [Budget], names: &Names) -> Result<Vec<(&'a Budget, String)>, Error> {
    let mut all = Vec::new();
    for budget in budgets {
        let scope: Scope = budget.scope.parse().map_err(|_| {
            Error::Misconfigured(format!(
                "a budget of the issuer counts by {:?}, which this build does not know; run the \
                 build that set it",
                budget.scope
            ))
        })?;
        let keys = scope.keys(names).into_iter();
        all.extend(keys.map(|one| (budget, key(scope, one))));
    }
    Ok(all)
}

/// Moves the order to `submitting` and charges the issuer's budgets, under the fence; or says when to
/// try again, and then writes nothing but the closing of the lane. Jobs of priority 0 may use what is
/// reserved.
///
/// # Errors
/// [`Error::LeaseLost`]: the CA must not be asked. [`Error::Misconfigured`] for a budget of a newer
/// build.
pub async fn submit(pool: &Pool, job: &ClaimedJob, task: &Task) -> Result<Submission, Error> {
    let urgent = job.priority == 0;
    let mut tx = begin(pool).await?;
    checkpoint::hold(&mut tx, &job.lease).await?;
    let budgets = budget::of_issuer(&mut tx, task.issuer.id.0).await?;
    let keyed = keyed(&budgets, &task.certificate.names)?;
    let charges = keyed.iter().map(|(budget, key)| Charge { budget, key });
    let charges: Vec<Charge<'_>> = charges.collect();
    let asked = Instant::now();
    match budget::take(&mut tx, task.order.id.0, &charges, urgent).await? {
        Granting::Granted { good_for } => {
            order::submit(&mut tx, task.order.id).await?;
            commit(tx).await?;
            Ok(Submission::Until(asked + good_for))
        }
        Granting::Denied(denials) => {
            drop(tx);
            denied(pool, &job.queue, &budgets, &denials, urgent).await
        }
    }
}

/// Nothing more is claimed from the lane for this long: its CA asked for a pause that holds for every
/// order.
///
/// # Errors
/// Failures of the database.
pub async fn close_lane(pool: &Pool, queue: &str, wait: Duration) -> Result<(), Error> {
    close(pool, queue, wait, Closing::All).await
}

async fn close(pool: &Pool, queue: &str, wait: Duration, to: Closing) -> Result<(), Error> {
    let mut tx = begin(pool).await?;
    lane::close(&mut tx, queue, wait, to).await?;
    commit(tx).await
}

async fn denied(
    pool: &Pool,
    queue: &str,
    budgets: &[Budget],
    denials: &[Denial],
    urgent: bool,
) -> Result<Submission, Error> {
    let of_all = |denial: &&Denial| {
        let mut budgets = budgets.iter();
        let found = budgets.find(|budget| budget.id == denial.budget_id);
        found.is_some_and(|budget| budget.scope == Scope::Account.as_str())
    };
    let (all, own): (Vec<&Denial>, Vec<&Denial>) = denials.iter().partition(of_all);
    if let Some(wait) = all.iter().map(|denial| denial.some_free_in).max() {
        let to = if urgent { Closing::All } else { Closing::Calm };
        close(pool, queue, wait, to).await?;
    }
    Ok(match own.iter().map(|denial| denial.free_in).max() {
        Some(wait) => Submission::After(wait),
        None => Submission::LaneClosed,
    })
}
