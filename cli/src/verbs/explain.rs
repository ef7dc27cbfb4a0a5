//! `certmill explain`: why something is as it is, who moves next and when, and what to type.
//!
//! Invariant: every certificate and job has an explanation, and it is made from what the API says
//! alone, so that any viewer may ask.

use certmill_domain::ids::JobId;
use certmill_domain::job::JobState;
use certmill_domain::waiting::{self, WaitingOn, Who};
use certmill_wire::{AttemptView, CertificateView, JobActionView, JobView};
use serde::Serialize;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::lookup;
use crate::output::{instant, plain};
use crate::session::Session;

/// What is said about one thing.
#[derive(Debug, PartialEq, Serialize)]
struct Explanation {
    /// Its id.
    id: String,
    /// Its name, or the kind of a job.
    name: String,
    /// What state it is in.
    state: String,
    /// Who owns the next move, if there is one.
    owner: Option<Who>,
    /// When it moves by itself, if it does.
    #[serde(with = "time::serde::rfc3339::option")]
    moves_at: Option<OffsetDateTime>,
    /// Why it has not moved yet.
    because: Option<String>,
    /// What went wrong last.
    last_fault: Option<String>,
    /// How often the job was tried.
    attempts: Option<String>,
    /// Attempts of the job that did not succeed, oldest first.
    past_attempts: Vec<AttemptView>,
    /// What people did to the job, oldest first.
    actions: Vec<JobActionView>,
    /// What to type next.
    next_command: String,
}

/// Explains a certificate or a job.
pub async fn run(subject: &str, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let explanation = if subject.parse::<JobId>().is_ok() {
        of_job(&lookup::job(client, subject).await?)
    } else {
        let certificate = lookup::certificate(client, subject).await?;
        let job = match &certificate.job {
            // It may end between the two questions; the certificate's own words remain.
            Some(id) => client.job(id).await.ok(),
            None => None,
        };
        of_certificate(&certificate, job.as_ref())
    };
    match session.output.is_value() {
        true => session.output.value(&explanation),
        false => session.output.text(&plain(&sentences(&explanation))),
    }
}

fn of_certificate(certificate: &CertificateView, job: Option<&JobView>) -> Explanation {
    let on = certificate.waiting_on.as_ref();
    let state = match &certificate.version {
        Some(version) => format!(
            "{} is {}; its version {} is valid until {}",
            certificate.name,
            certificate.status,
            version.generation,
            instant(version.not_after)
        ),
        None => format!(
            "{} is {}; it has no version yet",
            certificate.name, certificate.status
        ),
    };
    Explanation {
        id: certificate.id.clone(),
        name: certificate.name.clone(),
        state,
        owner: on
            .map(|on| on.who)
            .or(certificate.renew_at.map(|_| Who::Certmill)),
        moves_at: match on {
            Some(on) => on.until,
            None => certificate.renew_at,
        },
        because: Some(match on {
            Some(on) => on.sentence.clone(),
            None => "nothing is due: it is renewed by itself when its time comes".to_owned(),
        }),
        last_fault: job.and_then(|job| job.last_error.clone()),
        attempts: job.map(attempts),
        past_attempts: job.map(|job| job.past_attempts.clone()).unwrap_or_default(),
        actions: job.map(|job| job.actions.clone()).unwrap_or_default(),
        next_command: next_for_certificate(certificate, on, job),
    }
}

fn of_job(job: &JobView) -> Explanation {
    let about = match &job.object {
        Some(object) => format!(" for {object}"),
        None => String::new(),
    };
    let ended = match job.finished_at {
        Some(at) => format!(" since {}", instant(at)),
        None => String::new(),
    };
    let on = job.waiting_on.as_ref();
    Explanation {
        id: job.id.clone(),
        name: job.kind.clone(),
        state: format!(
            "{}, a job of kind {}{about} in the queue {}, is {}{ended}",
            job.id, job.kind, job.queue, job.state
        ),
        owner: on.map(|on| on.who),
        moves_at: on.and_then(|on| on.until),
        because: on.map(|on| on.sentence.clone()).or_else(|| won(job)),
        last_fault: job.last_error.clone(),
        attempts: Some(attempts(job)),
        past_attempts: job.past_attempts.clone(),
        actions: job.actions.clone(),
        next_command: next_for_job(job, on),
    }
}

/// What is to be said of a job that was cancelled and yet completed.
fn won(job: &JobView) -> Option<String> {
    let cancelled = job.actions.iter().any(|one| one.action == "job.cancel");
    (cancelled && job.state == JobState::Completed.as_str())
        .then(|| "it was asked to stop, but had completed before it heard of that".to_owned())
}

fn attempts(job: &JobView) -> String {
    format!("{} of {}", job.attempt, job.max_attempts)
}

fn next_for_certificate(
    certificate: &CertificateView,
    on: Option<&WaitingOn>,
    job: Option<&JobView>,
) -> String {
    let name = &certificate.name;
    match (on.map(|on| on.code.as_str()), job) {
        (None, _) => format!("certmill certs download {name}"),
        (Some(waiting::WORKER), _) => "certmill status".to_owned(),
        (Some(waiting::RETRY), Some(job)) => format!("certmill jobs retry {}", job.id),
        (Some(waiting::REFUSED | waiting::ATTEMPTS_USED_UP | waiting::EXPIRED), _) => {
            format!("certmill certs renew {name} --wait")
        }
        _ => format!("certmill certs show {name}"),
    }
}

fn next_for_job(job: &JobView, on: Option<&WaitingOn>) -> String {
    match (job.state.as_str(), on.map(|on| on.code.as_str())) {
        ("discarded" | "cancelled", _) | (_, Some(waiting::RETRY)) => {
            format!("certmill jobs retry {}", job.id)
        }
        (_, Some(waiting::WORKER)) => "certmill status".to_owned(),
        _ => match &job.object {
            Some(object) if object.starts_with("cert_") => format!("certmill explain {object}"),
            _ => format!("certmill jobs show {}", job.id),
        },
    }
}

fn sentences(said: &Explanation) -> String {
    let mut text = format!("{}.\n", said.state);
    if let Some(because) = &said.because {
        text.push_str(&format!("Why: {because}.\n"));
    }
    match (said.owner, said.moves_at) {
        (Some(who), Some(at)) => {
            text.push_str(&format!(
                "The next move is {}, at {}.\n",
                of(who),
                instant(at)
            ));
        }
        (Some(who), None) => text.push_str(&format!("The next move is {}.\n", of(who))),
        (None, _) => text.push_str("Nothing more will happen to it by itself.\n"),
    }
    if let Some(attempts) = &said.attempts {
        text.push_str(&format!("Attempts: {attempts}.\n"));
    }
    for past in &said.past_attempts {
        text.push_str(&past_in_words(past));
    }
    for action in &said.actions {
        let why = match &action.reason {
            Some(reason) => format!(": {reason}"),
            None => String::new(),
        };
        let (at, what) = (instant(action.at), &action.action);
        text.push_str(&format!("  {at}  {what} by {}{why}\n", action.by));
    }
    if let Some(fault) = &said.last_fault {
        text.push_str(&format!("Last fault: {fault}\n"));
    }
    text.push_str(&format!("Next: {}\n", said.next_command));
    text
}

/// When an attempt ended, how, by which fault, and who had it.
fn past_in_words(past: &AttemptView) -> String {
    let code = match (&past.code, &past.detail) {
        (Some(code), Some(detail)) => format!(", {code}: {detail}"),
        (Some(code), None) if *code == past.outcome => String::new(),
        (Some(one), None) | (None, Some(one)) => format!(", {one}"),
        (None, None) => String::new(),
    };
    let worker = past
        .worker
        .as_deref()
        .unwrap_or("a process that is forgotten");
    let (at, number, outcome) = (instant(past.ended_at), past.attempt, &past.outcome);
    let took = match past.duration_ms {
        Some(took) => format!(" after {took} ms"),
        None => String::new(),
    };
    let mut text = format!("  {at}  attempt {number} on {worker}: {outcome}{code}{took}\n");
    for line in &past.log {
        text.push_str(&format!("      {} {} {}\n", line.at, line.level, line.text));
    }
    text
}

fn of(who: Who) -> &'static str {
    match who {
        Who::Certmill => "certmill's; nobody needs to act",
        Who::Issuer => "the issuer's",
        Who::Operator => "the operator's",
        Who::Requester => "the requester's",
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
