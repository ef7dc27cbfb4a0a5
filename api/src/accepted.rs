//! The answer to work that goes on: 202 with the job to watch, or 200 where the client waited
//! (`Prefer: wait=N`, RFC 7240) and the job ended well in time.

use std::time::{Duration, Instant};

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use certmill_domain::ids::{CertificateId, JobId};
use certmill_domain::job::JobState;
use certmill_queue::read::JobRow;
use certmill_service::certificates::{self, Detail};
use certmill_service::{Caller, jobs};
use certmill_wire::Accepted;
use http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use rand::RngExt as _;

use crate::app::App;
use crate::{Error, idempotency, views};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Least time between two looks at a job: a local CA is done within milliseconds.
const LOOK_LEAST: Duration = Duration::from_millis(3);
/// Most time between two looks: others take seconds.
const LOOK_MOST: Duration = Duration::from_millis(100);

/// Work that was taken on.
pub(crate) struct Stands {
    /// The certificate.
    pub certificate: CertificateId,
    /// The job that works on it.
    pub job: JobId,
    /// Both as they were written, where that is known.
    pub shown: Option<Box<(Detail, JobRow)>>,
    /// Whether an earlier request asked for it.
    pub replayed: bool,
}

/// Answers with the certificate as it stands and its job.
pub(crate) async fn accepted(
    app: &App,
    caller: &Caller,
    stands: Stands,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let most = LONGEST_WAIT.min(app.limits.request_timeout / 2);
    let preferred = preferred_wait(headers).min(most);
    let place = if preferred.is_zero() {
        None
    } else {
        app.admission.wait()
    };
    let longest = if place.is_some() {
        preferred
    } else {
        Duration::ZERO
    };
    let (detail, job) = match stands.shown {
        Some(shown) if longest.is_zero() => *shown,
        _ => match ended(app, caller, stands.job, longest).await? {
            // It does not change any more; read before the certificate, which shows what it brought.
            Some(job) => {
                let detail = certificates::by_id(&app.context, caller, stands.certificate).await?;
                (detail, job)
            }
            None => {
                certificates::with_job(&app.context, caller, stands.certificate, stands.job).await?
            }
        },
    };
    drop(place);
    let done = job.state == JobState::Completed && !longest.is_zero();
    let status = if done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let location = HeaderValue::from_str(&format!("/api/v1/jobs/{}", job.id));
    let view = Accepted {
        certificate: views::certificate(detail),
        job: views::job(job),
    };
    let mut response = (status, Json(view)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    if !done {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    idempotency::mark(response.headers_mut(), stands.replayed);
    Ok(response)
}

/// Looks at the job until it has ended, or `None` once the time is over; no connection is held
/// between two looks.
async fn ended(
    app: &App,
    caller: &Caller,
    id: JobId,
    longest: Duration,
) -> Result<Option<JobRow>, Error> {
    let started = Instant::now();
    loop {
        let left = longest.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        let job = jobs::by_id(&app.context, caller, id).await?;
        if job.state.is_final() {
            return Ok(Some(job));
        }
        tokio::time::sleep(until_next_look(started.elapsed()).min(left)).await;
    }
}

/// A quarter of what was waited already, so that nobody learns of the end much later than it came.
fn until_next_look(waited: Duration) -> Duration {
    let spread = rand::rng().random_range(0.75..=1.25);
    (waited / 4).clamp(LOOK_LEAST, LOOK_MOST).mul_f64(spread)
}

fn preferred_wait(headers: &HeaderMap) -> Duration {
    let texts = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let seconds = texts
        .flat_map(|text| text.split(','))
        .find_map(|one| one.trim().strip_prefix("wait=")?.trim().parse::<u32>().ok());
    Duration::from_secs(seconds.unwrap_or(0).into())
}
