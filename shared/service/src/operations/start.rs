//! Asking for an operation on jobs, and what it would mean.

use super::act::JobSettings;
use super::check::{known_kinds, known_lanes};
use crate::effects::bulk::BulkArgs;
use crate::{Answer, Caller, Context, Error, FieldFault, Idempotency, idempotency};
use certmill_domain::ids::{JobId, OperationId};
use certmill_domain::job::JobState;
use certmill_domain::operation::JobVerb;
use certmill_domain::schedule::LANE;
use certmill_pg::{Connection, Tx};
use certmill_queue::enqueue::enqueue;
use certmill_queue::selection::{self, Among, Part, Selector};
use certmill_store::operation::{self, NewOperation, Operation};
use certmill_store::{audit, clock};
use serde::{Deserialize, Serialize};

/// Most jobs of one step: few enough that its locks are short, many enough that a commit is shared.
pub(super) const STEP_MOST: u16 = 300;
/// Counting what is meant stops here.
const COUNTED_MOST: usize = 10_000;
/// Pages that counting looks at.
const PAGES_MOST: usize = 50;
/// Jobs that a plan shows.
const SAMPLES: usize = 10;

/// A wish for many jobs.
#[derive(Debug, Clone)]
pub struct BulkAsk {
    /// What is done to each.
    pub verb: JobVerb,
    /// Which ones; without states, those that the verb usually means.
    pub selector: Selector,
    /// What the verb needs besides.
    pub settings: JobSettings,
    /// Why.
    pub reason: Option<String>,
}

/// What an operation would mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How many jobs.
    pub count: i64,
    /// At least so many; counting stopped.
    pub is_least: bool,
    /// The first ones.
    pub samples: Vec<JobId>,
}

/// Where the next step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Which part; none when all was seen.
    pub(super) among: Option<Among>,
    /// Above this id.
    pub(super) after: JobId,
    /// Up to this id: what was enqueued later is not meant.
    pub(super) up_to: JobId,
}

impl Cursor {
    fn first(selector: &Selector, up_to: JobId) -> Self {
        let ended = || selector.means_ended().then_some(Among::Ended);
        let live = selector.means_live().then_some(Among::Live);
        Self {
            among: live.or_else(ended),
            after: JobId(0),
            up_to,
        }
    }

    /// After a page: its end, or the beginning of the next part.
    pub(super) fn next(self, end: Option<JobId>, selector: &Selector) -> Self {
        match (end, self.among) {
            (Some(after), _) => Self { after, ..self },
            (None, Some(Among::Live)) if selector.means_ended() => Self {
                among: Some(Among::Ended),
                after: JobId(0),
                ..self
            },
            (None, _) => Self {
                among: None,
                ..self
            },
        }
    }
}

/// What an operation would mean, without doing it.
///
/// # Errors
/// [`Error::Invalid`] with all faults; failures of the database.
pub async fn plan(context: &Context, caller: &Caller, ask: BulkAsk) -> Result<Plan, Error> {
    let mut conn = context.acquire().await?;
    let ask = checked(&mut conn, ask).await?;
    count(&mut conn, caller, &ask).await
}

/// Takes an operation on; a worker carries it out.
///
/// # Errors
/// [`Error::Invalid`] with all faults; [`Error::IdempotencyMismatch`]; failures of the database.
pub async fn start(
    context: &Context,
    caller: &Caller,
    ask: BulkAsk,
    key: Option<&Idempotency>,
) -> Result<Answer<Operation>, Error> {
    let mut tx = context.begin().await?;
    if let Some(id) = idempotency::replay::<OperationId>(&mut tx, caller, key).await? {
        let value = operation::by_id(&mut tx, caller.team_id, id).await?;
        return Ok(Answer {
            value,
            replayed: true,
        });
    }
    let ask = checked(&mut tx, ask).await?;
    let plan = count(&mut tx, caller, &ask).await?;
    let id = store(&mut tx, caller, &ask, &plan).await?;
    idempotency::remember(&mut tx, caller, key, &id).await?;
    let value = operation::by_id(&mut tx, caller.team_id, id).await?;
    crate::context::commit(tx).await?;
    context.hinter.hint(LANE);
    Ok(Answer {
        value,
        replayed: false,
    })
}

async fn store(
    tx: &mut Tx,
    caller: &Caller,
    ask: &BulkAsk,
    plan: &Plan,
) -> Result<OperationId, Error> {
    let up_to = selection::highest_id(&mut *tx).await?;
    let new = NewOperation {
        team_id: caller.team_id,
        subject: "job",
        verb: ask.verb.as_str(),
        selector: serde_json::json!(ask.selector),
        settings: serde_json::json!(ask.settings),
        reason: ask.reason.as_deref(),
        total: plan.count,
        total_is_least: plan.is_least,
        cursor: serde_json::json!(Cursor::first(&ask.selector, up_to)),
        requested_by: &caller.actor,
    };
    let id = operation::insert(&mut *tx, &new).await?;
    let mut job = BulkArgs { operation_id: id }.job(caller.team_id);
    job.trace_id.clone_from(&caller.trace_id);
    let job = enqueue(&mut *tx, &job).await?.id();
    operation::give_to(&mut *tx, id, job).await?;
    let detail = serde_json::json!({
        "verb": new.verb,
        "selector": new.selector,
        "settings": new.settings,
        "reason": new.reason,
        "total": new.total,
    });
    audit::append(&mut *tx, &[caller.audit("operation.start", id, detail)]).await?;
    Ok(id)
}

/// Refuses what means too much or nothing, and fills in the states that the verb usually means.
async fn checked(conn: &mut Connection, mut ask: BulkAsk) -> Result<BulkAsk, Error> {
    let selector = &ask.selector;
    let mut faults = Vec::new();
    if selector.is_empty() {
        let detail = format!(
            "an empty selector would {} every job of the team; name states, queues, kinds, error \
             codes, objects, ids or times of creation",
            ask.verb.as_str()
        );
        faults.push(FieldFault::new("/selector", "empty_selector", detail));
    }
    for (nth, state) in selector.states.iter().enumerate() {
        if !ask.verb.states().contains(state) {
            let detail = cannot(ask.verb, *state);
            let pointer = format!("/selector/states/{nth}");
            faults.push(FieldFault::new(pointer, "state_not_meant", detail));
        }
    }
    let place = |field: &'static str| move |nth: usize| format!("/selector/{field}/{nth}");
    faults.extend(known_lanes(conn, &selector.queues, place("queues")).await?);
    faults.extend(known_kinds(conn, &selector.kinds, place("kinds")).await?);
    let target: Vec<String> = ask.settings.to_queue.iter().cloned().collect();
    faults.extend(known_lanes(conn, &target, |_| "/to_queue".to_owned()).await?);
    let moves = target.len() + usize::from(ask.settings.to_priority.is_some());
    match (ask.verb, moves) {
        (JobVerb::Move, 0) => {
            let detail = "say where to: to_queue, to_priority or both";
            faults.push(FieldFault::new("/to_queue", "missing_field", detail));
        }
        (JobVerb::Move, _) | (_, 0) => {}
        (verb, _) => {
            let detail = format!(
                "{} leaves jobs in their lanes; the verb is move",
                verb.as_str()
            );
            faults.push(FieldFault::new("/verb", "contradiction", detail));
        }
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    if ask.selector.states.is_empty() {
        ask.selector.states = ask.verb.usual_states().to_vec();
    }
    Ok(ask)
}

fn cannot(verb: JobVerb, state: JobState) -> String {
    let states = verb.states().iter().map(|state| state.as_str());
    let can = states.collect::<Vec<_>>().join(", ");
    let verb = verb.as_str();
    format!("{verb} can do nothing about a job that is {state}; it takes {can}")
}

async fn count(conn: &mut Connection, caller: &Caller, ask: &BulkAsk) -> Result<Plan, Error> {
    let up_to = selection::highest_id(conn).await?;
    let now = clock::now(conn).await?;
    let mut cursor = Cursor::first(&ask.selector, up_to);
    let mut ids = Vec::new();
    let mut pages = 0;
    while let Some(among) = cursor.among {
        if ids.len() > COUNTED_MOST || pages == PAGES_MOST {
            break;
        }
        pages += 1;
        let part = Part {
            team_id: caller.team_id,
            among,
            after: cursor.after,
            up_to,
            ended_by: now,
        };
        let left = u16::try_from(COUNTED_MOST + 1 - ids.len()).unwrap_or(u16::MAX);
        let page = selection::select(conn, &ask.selector, &part, left).await?;
        ids.extend(page.ids);
        cursor = cursor.next(page.next, &ask.selector);
    }
    let count = ids.len().min(COUNTED_MOST);
    ids.truncate(SAMPLES);
    Ok(Plan {
        count: i64::try_from(count).unwrap_or(i64::MAX),
        is_least: cursor.among.is_some(),
        samples: ids,
    })
}
