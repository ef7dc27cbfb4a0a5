//! What a failover has lost: found out by each process for itself, shown to people, settled by them.
//!
//! Invariant: a change is called lost where its audit row is gone, and for no other reason.

use crate::{Caller, Context, Error};
use certmill_domain::ids::{CutId, TeamId};
use certmill_pg::{Acknowledged, Moved, Pool};
use certmill_store::event::NewEvent;
use certmill_store::history_cut::{self, CutRow, LostRow, NewCut};
use certmill_store::{audit, journal};
use std::time::Duration;

/// How often the pool is asked where it leads to; a new connection is looked at when it is opened.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Most cuts that are shown.
const CUTS_SHOWN: u16 = 100;
/// Most lost changes that are shown.
const LOST_SHOWN: u16 = 1_000;

/// The process that looks, as people know it.
#[derive(Debug, Clone)]
pub struct Witness {
    /// Its name.
    pub process: String,
    /// Its role.
    pub role: &'static str,
}

/// What is known of losses.
#[derive(Debug, Clone)]
pub struct Losses {
    /// The newest cuts, the newest first; one a process that has moved.
    pub cuts: Vec<CutRow>,
    /// What the caller's team has lost and nobody has settled, the oldest first.
    pub unsettled: Vec<LostRow>,
}

/// Looks into each move of the pool for as long as the process lives: drop it to end it.
pub async fn watch(pool: Pool, witness: Witness) {
    let Some(history) = pool.history() else {
        return;
    };
    loop {
        tokio::select! {
            () = history.moved() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {
                if let Err(error) = history.look_again(&pool).await {
                    tracing::debug!(%error, "where the database is cannot be asked now");
                }
            }
        }
        let Some(moved) = history.to_look_into() else {
            continue;
        };
        match look_into(&pool, &witness, &moved).await {
            Ok(lost) => history.looked_into(&moved, &lost),
            Err(error) => {
                tracing::warn!(event = "history_unread", %error, "what was lost is not known yet");
            }
        }
    }
}

/// Compares what the process remembers with what is there, and reports what is not.
///
/// # Errors
/// Failures of the database; nothing is reported then.
pub async fn look_into(
    pool: &Pool,
    witness: &Witness,
    moved: &Moved,
) -> Result<Vec<Acknowledged>, Error> {
    let mut tx = crate::context::begin(pool).await?;
    let lost = history_cut::missing(&mut tx, &moved.remembered).await?;
    let (before, after) = (moved.from.timeline, moved.to.timeline);
    let remembered = moved.remembered.len();
    if before == after && lost.is_empty() {
        tracing::debug!(
            event = "history_whole",
            remembered,
            "nothing acknowledged is missing"
        );
        return Ok(lost);
    }
    let cut = NewCut {
        process: &witness.process,
        role: witness.role,
        moved,
        lost: &lost,
    };
    let id = history_cut::insert(&mut tx, &cut).await?;
    let object = id.to_string();
    let detail = serde_json::json!({
        "process": witness.process,
        "timeline_before": before,
        "timeline_after": after,
        "remembered": remembered,
        "lost": lost.len(),
    });
    let row = Caller::system("witness").audit("history.cut", &object, detail.clone());
    let event = NewEvent {
        team_id: TeamId::DEFAULT,
        topic: "history",
        object,
        code: "cut",
        detail,
    };
    journal::append(&mut tx, &[row], &[event]).await?;
    crate::context::commit(tx).await?;
    if lost.is_empty() {
        tracing::info!(
            event = "history_moved",
            before,
            after,
            remembered,
            "promoted; nothing is lost"
        );
    } else {
        tracing::error!(
            event = "history_cut",
            before,
            after,
            remembered,
            lost = lost.len(),
            "acknowledged changes are gone; `certmill reconcile` shows them"
        );
    }
    Ok(lost)
}

/// Cuts, and what the caller's team has lost in them.
///
/// # Errors
/// Failures of the database.
pub async fn losses(context: &Context, caller: &Caller) -> Result<Losses, Error> {
    let mut conn = context.acquire().await?;
    Ok(Losses {
        cuts: history_cut::newest(&mut conn, CUTS_SHOWN).await?,
        unsettled: history_cut::unsettled(&mut conn, caller.team_id, LOST_SHOWN).await?,
    })
}

/// Declares what the caller's team has lost in cuts up to this one as seen to; how many changes.
///
/// # Errors
/// [`Error::NotFound`]; failures of the database.
pub async fn settle(
    context: &Context,
    caller: &Caller,
    up_to: CutId,
    reason: Option<&str>,
) -> Result<u64, Error> {
    let mut tx = context.begin().await?;
    if !history_cut::is_of(&mut tx, caller.team_id, up_to).await? {
        return Err(Error::NotFound("cut"));
    }
    let settled = history_cut::settle(&mut tx, caller.team_id, up_to, &caller.actor).await?;
    if settled > 0 {
        let detail = serde_json::json!({ "settled": settled, "reason": reason });
        let row = caller.audit("history.settle", up_to, detail);
        audit::append(&mut tx, &[row]).await?;
        crate::context::commit(tx).await?;
    }
    Ok(settled)
}
