//! One step of an operation on jobs.

use super::act::{Did, JobSettings, act};
use super::start::{Cursor, STEP_MOST};
use crate::Error;
use crate::context::{begin, commit, despite_deadlocks};
use crate::error::or_not_found;
use certmill_domain::ids::{OperationId, TeamId};
use certmill_domain::operation::{JobVerb, OperationState};
use certmill_pg::{Pool, Tx};
use certmill_queue::selection::{self, Among, Part, Selector};
use certmill_queue::{Hinter, Lease, checkpoint};
use certmill_store::newer;
use certmill_store::operation::{self, Operation, Progress};
use serde::de::DeserializeOwned;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More is to be done.
    GoOn,
    /// Nothing more is to be done: how the operation ends.
    End(OperationState),
}

/// Takes the next step of an operation under the fence of its job.
///
/// # Errors
/// [`Error::LeaseLost`]: another worker goes on. [`Error::NotFound`], failures of the database.
pub async fn step(
    pool: &Pool,
    lease: &Lease,
    team: TeamId,
    id: OperationId,
    hinter: &Hinter,
) -> Result<Step, Error> {
    let (step, did) = despite_deadlocks(|| step_once(pool, lease, team, id)).await?;
    did.lanes.iter().for_each(|lane| hinter.hint(lane));
    if did.asked_to_stop {
        hinter.hint_stops();
    }
    Ok(step)
}

async fn step_once(
    pool: &Pool,
    lease: &Lease,
    team: TeamId,
    id: OperationId,
) -> Result<(Step, Did), Error> {
    let mut tx = begin(pool).await?;
    checkpoint::hold(&mut tx, lease).await?;
    let locked = operation::lock(&mut tx, team, id)
        .await
        .map_err(or_not_found("operation"))?;
    if locked.state.is_final() {
        return Ok((Step::End(locked.state), Did::default()));
    }
    if locked.abort_requested {
        return Ok((Step::End(OperationState::Aborted), Did::default()));
    }
    let cursor: Cursor = read(&locked.cursor, "cursor")?;
    let Some(among) = cursor.among else {
        return Ok((Step::End(OperationState::Completed), Did::default()));
    };
    let (next, seen, did) = take(&mut tx, &locked, cursor, among).await?;
    let progress = Progress {
        seen,
        done: did.done,
        skipped: did.skipped.clone(),
        cursor: serde_json::json!(next),
    };
    operation::advance(&mut tx, &locked, &progress).await?;
    commit(tx).await?;
    Ok((Step::GoOn, did))
}

/// Chooses the next handful and does it.
async fn take(
    tx: &mut Tx,
    locked: &Operation,
    cursor: Cursor,
    among: Among,
) -> Result<(Cursor, i64, Did), Error> {
    let selector: Selector = read(&locked.selector, "selector")?;
    let settings: JobSettings = read(&locked.settings, "settings")?;
    if locked.subject != "job" {
        return Err(newer("operation.subject", &locked.subject).into());
    }
    let verb = locked.verb.parse::<JobVerb>();
    let verb = verb.map_err(|_| newer("operation.verb", &locked.verb))?;
    let part = Part {
        team_id: locked.team_id,
        among,
        after: cursor.after,
        up_to: cursor.up_to,
        ended_by: locked.created_at,
    };
    let page = selection::select(&mut *tx, &selector, &part, STEP_MOST).await?;
    let meant = (among, page.ids.as_slice());
    let did = act(
        tx,
        locked.team_id,
        verb,
        &settings,
        &locked.requested_by,
        meant,
    )
    .await?;
    let seen = i64::try_from(page.ids.len()).unwrap_or(i64::MAX);
    Ok((cursor.next(page.next, &selector), seen, did))
}

fn read<T: DeserializeOwned>(value: &serde_json::Value, what: &str) -> Result<T, Error> {
    serde_json::from_value(value.clone()).map_err(|why| corrupt(what, &why))
}

fn corrupt(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::Store(certmill_store::Error::Corrupt(format!(
        "operation.{what}: {why}"
    )))
}
