//! Waits until a certificate's job has ended.
//!
//! Invariant: to stop waiting never stops the job, and each early end says how to come back.

use std::time::Duration;

use certmill_domain::job::JobState;
use certmill_domain::waiting;
use certmill_tasks::Backoff;
use certmill_wire::client::{self, Client};
use certmill_wire::{Accepted, CertificateView, JobView};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;

/// Short at first, since a local CA is done in a moment.
const POLL: Backoff = Backoff::new(Duration::from_millis(30), Duration::from_secs(1));

/// Exit code of a certificate that an issuer or a profile refuses.
const REFUSED: u8 = 4;

/// Waits for the version that the job obtains.
///
/// # Errors
/// Exit code 1 failed, 4 refused, 6 not in time, 130 Ctrl-C.
pub async fn for_version(
    client: &Client,
    accepted: &Accepted,
    timeout: Duration,
    no_color: bool,
) -> Result<CertificateView, Failure> {
    let mut progress = Progress::start(&accepted.certificate.name, no_color);
    let ended = tokio::select! {
        ended = tokio::time::timeout(timeout, poll(client, accepted, &mut progress)) => {
            ended.unwrap_or_else(|_| Err(too_late(accepted, timeout)))
        }
        _ = tokio::signal::ctrl_c() => Err(detached(accepted)),
    };
    progress.end();
    ended
}

async fn poll(
    client: &Client,
    accepted: &Accepted,
    progress: &mut Progress,
) -> Result<CertificateView, Failure> {
    let what = format!("certificate {}", accepted.certificate.name);
    let mut attempt = 0;
    let mut rest = Duration::ZERO;
    loop {
        match client.job(&accepted.job.id).await {
            Ok(job) if job.is_final() => {
                let id = &accepted.certificate.id;
                let certificate = client.certificate(id).await;
                let certificate = certificate.map_err(|error| Failure::of_call(&what, &error))?;
                return judge(certificate, &job, progress);
            }
            Ok(job) => progress.step(&step(&job)),
            Err(error) => rest = pause(&error).ok_or_else(|| Failure::of_call(&what, &error))?,
        }
        attempt += 1;
        tokio::time::sleep(POLL.delay(attempt, &mut rand::rng()).max(rest)).await;
        rest = Duration::ZERO;
    }
}

/// How long a failed look makes us pause; `None` where looking again is of no use.
pub fn pause(error: &client::Error) -> Option<Duration> {
    match error {
        client::Error::Unreachable { .. } | client::Error::Timeout { .. } => Some(Duration::ZERO),
        client::Error::Problem(problem) if problem.retryable || problem.status >= 502 => {
            Some(Duration::from_secs(problem.retry_after_s.unwrap_or(1)))
        }
        _ => None,
    }
}

/// The step in the words of the progress line.
fn step(job: &JobView) -> String {
    match (job.state.as_str(), &job.waiting_on) {
        ("running", _) => "running".to_owned(),
        ("available", _) => "queued".to_owned(),
        (_, Some(waiting_on)) => waiting_on.sentence.clone(),
        (state, None) => state.to_owned(),
    }
}

/// What the end of the job means for the certificate.
fn judge(
    certificate: CertificateView,
    job: &JobView,
    progress: &mut Progress,
) -> Result<CertificateView, Failure> {
    let completed = job.state == JobState::Completed.as_str();
    if completed && certificate.version.is_some() {
        progress.step("issued");
        return Ok(certificate);
    }
    progress.step(&job.state);
    let waiting_on = certificate
        .waiting_on
        .as_ref()
        .filter(|_| certificate.job.is_none());
    let why = match (waiting_on, &job.last_error) {
        _ if job.state == JobState::Cancelled.as_str() => "its job was cancelled".to_owned(),
        (Some(waiting_on), _) => waiting_on.sentence.clone(),
        (None, Some(error)) => error.clone(),
        (None, None) => format!("its job ended as {}", job.state),
    };
    let refused = match waiting_on {
        _ if job.state == JobState::Cancelled.as_str() => false,
        Some(waiting_on) => waiting_on.code == waiting::REFUSED,
        None => job.state == JobState::Discarded.as_str() && job.attempt < job.max_attempts,
    };
    let code = if refused {
        REFUSED
    } else {
        Exit::Failed.code()
    };
    let what = format!("certificate {}", certificate.name);
    let hint = format!(
        "`certmill jobs show {}` says more; then `certmill certs renew {}`",
        job.id, certificate.name
    );
    Err(Failure::with_code(code, &what, &job.id, &why, &hint))
}

fn too_late(accepted: &Accepted, timeout: Duration) -> Failure {
    let why = format!(
        "not issued within {} s; it goes on without us",
        timeout.as_secs()
    );
    early(Exit::TimeOut, accepted, &why)
}

fn detached(accepted: &Accepted) -> Failure {
    early(Exit::Detached, accepted, "detached; it goes on without us")
}

fn early(exit: Exit, accepted: &Accepted, why: &str) -> Failure {
    let name = &accepted.certificate.name;
    let hint = format!(
        "come back by `certmill certs show {name}` or `certmill jobs show {}`",
        accepted.job.id
    );
    Failure::new(
        exit,
        &format!("certificate {name}"),
        &accepted.job.id,
        why,
        &hint,
    )
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
