//! What users do with lanes and kinds of jobs: look, pause, let go on, limit.
//!
//! Invariant: what is changed holds for the next claim of every process, since the claims read it.

use crate::{Caller, Context, Error, effects};
use certmill_pg::Tx;
use certmill_queue::depth::{self, LaneDepth, PausedKind};
use certmill_queue::lane::{self, Pause};
use certmill_store::audit;

/// What there is to do, and what is held back.
#[derive(Debug, Clone)]
pub struct Lanes {
    /// The lanes by name.
    pub lanes: Vec<LaneDepth>,
    /// The kinds that nobody claims.
    pub paused_kinds: Vec<PausedKind>,
}

/// All lanes.
///
/// # Errors
/// Failures of the database.
pub async fn list(context: &Context) -> Result<Lanes, Error> {
    let mut conn = context.acquire().await?;
    Ok(Lanes {
        lanes: depth::depths(&mut conn, None).await?,
        paused_kinds: depth::paused_kinds(&mut conn).await?,
    })
}

/// The lane of that name.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_name(context: &Context, name: &str) -> Result<LaneDepth, Error> {
    let mut conn = context.acquire().await?;
    let found = depth::depths(&mut conn, Some(&[name.to_owned()])).await?;
    found.into_iter().next().ok_or(Error::NotFound("lane"))
}

/// Stops claims from a lane; what runs is left to end.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn pause(
    context: &Context,
    caller: &Caller,
    name: &str,
    reason: Option<&str>,
) -> Result<LaneDepth, Error> {
    let mut tx = context.begin().await?;
    let found = lane::set_pause(&mut tx, name, Some(Pause { reason })).await?;
    changed(context, tx, caller, "lane.pause", found, name, reason).await
}

/// Lets a paused lane go on.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn resume(
    context: &Context,
    caller: &Caller,
    name: &str,
    reason: Option<&str>,
) -> Result<LaneDepth, Error> {
    let mut tx = context.begin().await?;
    let found = lane::set_pause(&mut tx, name, None).await?;
    changed(context, tx, caller, "lane.resume", found, name, reason).await
}

/// Sets how many jobs of a lane run at once over all processes; none = no limit.
///
/// # Errors
/// [`Error::NotFound`]; the limit must be 1 or more.
pub async fn limit(
    context: &Context,
    caller: &Caller,
    name: &str,
    max_running: Option<i32>,
    reason: Option<&str>,
) -> Result<LaneDepth, Error> {
    let mut tx = context.begin().await?;
    let found = lane::set_limit(&mut tx, name, max_running).await?;
    changed(context, tx, caller, "lane.limit", found, name, reason).await
}

async fn changed(
    context: &Context,
    mut tx: Tx,
    caller: &Caller,
    action: &'static str,
    found: bool,
    name: &str,
    reason: Option<&str>,
) -> Result<LaneDepth, Error> {
    if !found {
        return Err(Error::NotFound("lane"));
    }
    let rows = depth::depths(&mut tx, Some(&[name.to_owned()])).await?;
    let lane = rows.into_iter().next().ok_or(Error::NotFound("lane"))?;
    let detail = serde_json::json!({ "reason": reason, "max_running": lane.lane.max_running });
    audit::append(&mut tx, &[caller.audit(action, name, detail)]).await?;
    crate::context::commit(tx).await?;
    // What could not be claimed before may be claimed now.
    context.hinter.hint(name);
    Ok(lane)
}

/// Stops claims of a kind, in every lane.
///
/// # Errors
/// [`Error::NotFound`] for a kind that no process knows: it would be paused by a slip of the pen.
pub async fn pause_kind(
    context: &Context,
    caller: &Caller,
    kind: &str,
    reason: Option<&str>,
) -> Result<Vec<PausedKind>, Error> {
    let mut tx = context.begin().await?;
    must_be_known(&mut tx, kind).await?;
    lane::pause_kind(&mut tx, kind, Pause { reason }).await?;
    kind_changed(tx, caller, "job_kind.pause", kind, reason).await
}

/// Lets a paused kind go on.
///
/// # Errors
/// [`Error::NotFound`] for a kind that no process knows.
pub async fn resume_kind(
    context: &Context,
    caller: &Caller,
    kind: &str,
    reason: Option<&str>,
) -> Result<Vec<PausedKind>, Error> {
    let mut tx = context.begin().await?;
    must_be_known(&mut tx, kind).await?;
    lane::resume_kind(&mut tx, kind).await?;
    kind_changed(tx, caller, "job_kind.resume", kind, reason).await
}

async fn must_be_known(tx: &mut Tx, kind: &str) -> Result<(), Error> {
    let known = effects::KINDS.contains(&kind) || depth::is_known_kind(tx, kind).await?;
    known.then_some(()).ok_or(Error::NotFound("job kind"))
}

async fn kind_changed(
    mut tx: Tx,
    caller: &Caller,
    action: &'static str,
    kind: &str,
    reason: Option<&str>,
) -> Result<Vec<PausedKind>, Error> {
    let detail = serde_json::json!({ "reason": reason });
    audit::append(&mut tx, &[caller.audit(action, kind, detail)]).await?;
    let paused = depth::paused_kinds(&mut tx).await?;
    crate::context::commit(tx).await?;
    Ok(paused)
}
