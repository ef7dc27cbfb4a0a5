//! `certmill certs revoke`.
//!
//! Invariant: without `--wait` nothing is said to be revoked that a job still has to revoke.

use std::time::Instant;

use certmill_domain::job::JobState;
use certmill_tasks::Backoff;
use certmill_wire::{RevocationView, RevokeRequest};

use crate::args::RevokeArgs;
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lookup;
use crate::output::instant;
use crate::session::Session;

/// Between looks at the jobs.
const POLL: Backoff = Backoff::new(
    std::time::Duration::from_millis(30),
    std::time::Duration::from_secs(1),
);

/// Asks for the revocation, and waits for it if asked to.
pub async fn revoke(args: RevokeArgs, session: &Session) -> Result<(), Failure> {
    confirm(
        args.yes,
        &format!("revoke certificate {}", args.certificate),
    )?;
    let certificate = lookup::certificate(&session.client, &args.certificate).await?;
    let what = format!("certificate {}", certificate.name);
    let request = RevokeRequest {
        reason: args.reason.to_string(),
        version: args.version.clone(),
        all_versions: args.all_versions.then_some(true),
        note: args.note.clone(),
    };
    let asked = session
        .client
        .revoke_certificate(&certificate.id, &request)
        .await;
    let asked = asked.map_err(|error| Failure::of_call(&what, &error))?;
    if !args.wait.wait || asked.jobs.is_empty() {
        return show(&asked, session);
    }
    let done = wait(&asked, &args, session, &what).await?;
    show(&done, session)
}

async fn wait(
    asked: &RevocationView,
    args: &RevokeArgs,
    session: &Session,
    what: &str,
) -> Result<RevocationView, Failure> {
    let began = Instant::now();
    let mut attempt = 0;
    let failed = |error| Failure::of_call(what, &error);
    loop {
        let mut jobs = Vec::with_capacity(asked.jobs.len());
        for job in &asked.jobs {
            jobs.push(session.client.job(&job.id).await.map_err(failed)?);
        }
        if jobs.iter().all(certmill_wire::JobView::is_final) {
            if let Some(job) = jobs
                .iter()
                .find(|job| job.state != JobState::Completed.as_str())
            {
                let why = job.last_error.clone().unwrap_or_else(|| job.state.clone());
                let hint = format!("`certmill jobs show {}` says more", job.id);
                return Err(Failure::new(Exit::Failed, what, &job.id, &why, &hint));
            }
            return fresh(asked, jobs, session, what).await;
        }
        if began.elapsed() >= args.wait.timeout {
            let id = asked.jobs.first().map_or("", |job| job.id.as_str());
            let why = format!(
                "not revoked within {} s; it goes on without us",
                args.wait.timeout.as_secs()
            );
            let hint = format!("come back by `certmill jobs show {id}`");
            return Err(Failure::new(Exit::TimeOut, what, id, &why, &hint));
        }
        attempt += 1;
        tokio::time::sleep(POLL.delay(attempt, &mut rand::rng())).await;
    }
}

/// The same view after the jobs have ended.
async fn fresh(
    asked: &RevocationView,
    jobs: Vec<certmill_wire::JobView>,
    session: &Session,
    what: &str,
) -> Result<RevocationView, Failure> {
    let id = &asked.certificate.id;
    let failed = |error| Failure::of_call(what, &error);
    let certificate = session.client.certificate(id).await.map_err(failed)?;
    let mut versions = session.client.versions(id).await.map_err(failed)?.data;
    versions.retain(|one| asked.versions.iter().any(|meant| meant.id == one.id));
    Ok(RevocationView {
        certificate,
        versions,
        jobs,
    })
}

fn show(answer: &RevocationView, session: &Session) -> Result<(), Failure> {
    let output = &session.output;
    if output.is_value() {
        return output.value(answer);
    }
    let rows: Vec<Vec<String>> = answer
        .versions
        .iter()
        .map(|version| {
            vec![
                version.id.clone(),
                version.serial.clone(),
                version.revoked_at.map(instant).unwrap_or_default(),
                version.revocation_reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output.rows(&["VERSION", "SERIAL", "REVOKED AT", "REASON"], &rows)?;
    if let Some(job) = answer.jobs.iter().find(|job| !job.is_final()) {
        output.note(&format!("next: certmill jobs show {}", job.id));
    }
    if let Some(on) = &answer.certificate.waiting_on {
        output.note(&format!(
            "certificate {}: {}",
            answer.certificate.name, on.sentence
        ));
    }
    Ok(())
}
