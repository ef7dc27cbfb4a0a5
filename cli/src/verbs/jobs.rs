//! `certmill jobs`.
//!
//! Invariant: a job that is not done is shown with the sentence that says why.

use certmill_wire::{ActionRequest, AttemptView, JobFilter, JobView};

use crate::args::{JobActionArgs, JobsListArgs, JobsVerb};
use crate::failure::Failure;
use crate::lookup;
use crate::output::{instant, waiting};
use crate::session::Session;

use super::bulk;

/// Runs a verb of jobs.
pub async fn run(verb: JobsVerb, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let job = match verb {
        JobsVerb::List(args) => return list(args, session).await,
        JobsVerb::Bulk(verb) => return bulk::run(verb, session).await,
        JobsVerb::Show(args) => lookup::job(client, &args.job).await?,
        JobsVerb::Retry(args) => {
            let id = lookup::job(client, &args.job).await?.id;
            let retried = client.retry_job(&id, &why(args)).await;
            retried.map_err(|error| Failure::of_call(&format!("job {id}"), &error))?
        }
        JobsVerb::Cancel(args) => {
            let id = lookup::job(client, &args.job).await?.id;
            let cancelled = client.cancel_job(&id, &why(args)).await;
            cancelled.map_err(|error| Failure::of_call(&format!("job {id}"), &error))?
        }
    };
    show(&job, session)
}

fn why(args: JobActionArgs) -> ActionRequest {
    ActionRequest {
        reason: args.reason,
    }
}

async fn list(args: JobsListArgs, session: &Session) -> Result<(), Failure> {
    let filter = JobFilter {
        state: args.state,
        kind: args.kind,
        queue: args.queue,
        paging: args.page.paging(),
    };
    let jobs = session.client.jobs(&filter).await;
    let jobs = jobs.map_err(|error| Failure::of_call("jobs", &error))?;
    let output = &session.output;
    if output.is_value() {
        return output.value(&jobs);
    }
    let rows: Vec<Vec<String>> = jobs.data.iter().map(row).collect();
    let header = [
        "ID",
        "KIND",
        "QUEUE",
        "STATE",
        "ATTEMPT",
        "CREATED",
        "WAITING ON",
    ];
    output.rows(&header, &rows)?;
    output.note_next(jobs.next_cursor.as_deref());
    Ok(())
}

fn row(job: &JobView) -> Vec<String> {
    vec![
        job.id.clone(),
        job.kind.clone(),
        job.queue.clone(),
        job.state.clone(),
        attempts(job),
        instant(job.created_at),
        job.waiting_on
            .as_ref()
            .map(|on| on.sentence.clone())
            .unwrap_or_default(),
    ]
}

fn show(job: &JobView, session: &Session) -> Result<(), Failure> {
    if session.output.is_value() {
        return session.output.value(job);
    }
    let (sentence, until) = waiting(job.waiting_on.as_ref());
    session.output.fields(&[
        ("id", job.id.clone()),
        ("kind", job.kind.clone()),
        ("about", job.object.clone().unwrap_or_default()),
        ("queue", job.queue.clone()),
        ("state", job.state.clone()),
        ("attempt", attempts(job)),
        ("created", instant(job.created_at)),
        ("not before", instant(job.run_at)),
        ("finished", job.finished_at.map(instant).unwrap_or_default()),
        ("waiting on", sentence),
        ("until", until),
        ("last error", job.last_error.clone().unwrap_or_default()),
        ("trace", job.trace_id.clone().unwrap_or_default()),
        ("past attempts", past(job)),
    ])
}

/// What failed, how long it took, who had it, and what its handler logged.
fn past(job: &JobView) -> String {
    let one = |attempt: &AttemptView| {
        let fault = attempt.code.as_deref().unwrap_or(&attempt.outcome);
        let worker = attempt
            .worker
            .as_deref()
            .unwrap_or("a process that is forgotten");
        let took = attempt
            .duration_ms
            .map_or(String::new(), |took| format!(", {took} ms"));
        let at = instant(attempt.ended_at);
        let mut text = format!("{} at {at} on {worker}: {fault}{took}", attempt.attempt);
        for line in &attempt.log {
            text.push_str(&format!("\n    {} {}", line.level, line.text));
        }
        text
    };
    let all: Vec<String> = job.past_attempts.iter().map(one).collect();
    all.join("\n")
}

fn attempts(job: &JobView) -> String {
    format!("{} of {}", job.attempt, job.max_attempts)
}
