//! `certmill jobs bulk`: many jobs as one operation.
//!
//! Invariant: what cancels is confirmed first, with how many it means; to stop waiting never stops the
//! operation.

use std::time::Duration;

use certmill_domain::operation::{JobVerb, OperationState};
use certmill_tasks::Backoff;
use certmill_wire::{BulkJobRequest, BulkPlanView, OperationView};

use crate::args::{BulkVerb, HowArgs};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::session::Session;
use crate::wait::pause;

use super::operations;

/// Between two looks at an operation.
const POLL: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// Runs a verb of many jobs.
pub async fn run(verb: BulkVerb, session: &Session) -> Result<(), Failure> {
    let (verb, selector, how, to_queue, to_priority) = match verb {
        BulkVerb::Retry(args) => (JobVerb::Retry, args.selector, args.how, None, None),
        BulkVerb::Cancel(args) => (JobVerb::Cancel, args.selector, args.how, None, None),
        BulkVerb::Move(args) => {
            let (queue, priority) = (args.to_queue, args.to_priority);
            (JobVerb::Move, args.selector, args.how, queue, priority)
        }
    };
    let request = BulkJobRequest {
        verb: verb.as_str().to_owned(),
        selector: selector.selector(),
        to_queue,
        to_priority,
        reason: how.reason.clone(),
        dry_run: None,
    };
    if how.dry_run {
        return tell(&plan(&request, session).await?, session);
    }
    if verb == JobVerb::Cancel && !how.yes {
        let plan = plan(&request, session).await?;
        confirm(false, &format!("cancel {} jobs", many(&plan)))?;
    }
    let started = session.client.bulk_jobs(&request).await;
    let started = started.map_err(|error| Failure::of_call("jobs", &error))?;
    if !how.wait {
        let hint = format!("follow it by `certmill operations show {}`", started.id);
        session.output.note(&hint);
        return operations::print(&started, session);
    }
    let ended = wait(started, &how, session).await?;
    operations::print(&ended, session)?;
    judge(&ended)
}

async fn plan(request: &BulkJobRequest, session: &Session) -> Result<BulkPlanView, Failure> {
    let plan = session.client.plan_bulk_jobs(request).await;
    plan.map_err(|error| Failure::of_call("jobs", &error))
}

fn many(plan: &BulkPlanView) -> String {
    let count = plan.count;
    match plan.count_is_least {
        true => format!("{count} or more"),
        false => count.to_string(),
    }
}

fn tell(plan: &BulkPlanView, session: &Session) -> Result<(), Failure> {
    if session.output.is_value() {
        return session.output.value(plan);
    }
    let fields = [("meant", many(plan)), ("such as", plan.samples.join(" "))];
    session.output.fields(&fields)
}

async fn wait(
    started: OperationView,
    how: &HowArgs,
    session: &Session,
) -> Result<OperationView, Failure> {
    let id = started.id.clone();
    let mut progress = Progress::start(&id, session.no_color);
    let early = |exit, why: &str| {
        let hint = format!(
            "come back by `certmill operations show {id}`, or stop it by `certmill operations abort {id}`"
        );
        Failure::new(exit, &format!("operation {id}"), &id, why, &hint)
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(how.timeout, poll(started, session, &mut progress)) => {
            let late = |_| Err(early(Exit::TimeOut, "not done in time; it goes on without us"));
            ended.unwrap_or_else(late)
        }
        _ = tokio::signal::ctrl_c() => {
            Err(early(Exit::Detached, "detached; it goes on without us"))
        }
    };
    progress.end();
    ended
}

async fn poll(
    mut seen: OperationView,
    session: &Session,
    progress: &mut Progress,
) -> Result<OperationView, Failure> {
    let what = format!("operation {}", seen.id);
    let (mut attempt, mut rest) = (0, Duration::ZERO);
    while !seen.is_final() {
        progress.now(&operations::how_far(&seen));
        attempt += 1;
        tokio::time::sleep(POLL.delay(attempt, &mut rand::rng()).max(rest)).await;
        rest = Duration::ZERO;
        match session.client.operation(&seen.id).await {
            Ok(now) => seen = now,
            Err(error) => rest = pause(&error).ok_or_else(|| Failure::of_call(&what, &error))?,
        }
    }
    progress.now(&operations::how_far(&seen));
    Ok(seen)
}

fn judge(ended: &OperationView) -> Result<(), Failure> {
    if ended.state == OperationState::Completed.as_str() {
        return Ok(());
    }
    let why = match &ended.fault {
        Some(fault) => format!("it ended as {}: {fault}", ended.state),
        None => format!("it ended as {}", ended.state),
    };
    let what = format!("operation {}", ended.id);
    let hint = "what was done stays done; ask again for the rest";
    Err(Failure::new(Exit::Failed, &what, &ended.id, &why, hint))
}
