//! Life and readiness, for supervisors and balancers; no key needed.

use axum::Json;
use axum::extract::State;
use certmill_wire::{FieldError, HealthView, Problem, ProblemCode, ReadyView};

use crate::Error;
use crate::app::App;

/// `GET /health`: the process answers.
pub(super) async fn health() -> Json<HealthView> {
    Json(HealthView {
        status: "ok".to_owned(),
    })
}

/// `GET /ready`: requests will be served; else a problem that names what is missing.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<ReadyView>, Error> {
    let checks = app.readiness.checks().await;
    if checks.iter().all(|check| check.ok) {
        return Ok(Json(ReadyView {
            ready: true,
            checks,
        }));
    }
    let missing = checks.into_iter().filter(|check| !check.ok);
    let errors = missing.map(|check| {
        FieldError::new(
            format!("/{}", check.name),
            "not_ready",
            check.detail.unwrap_or_default(),
        )
    });
    Err(Problem::of_fields(ProblemCode::NotReady, errors.collect())
        .with_retry_after_s(1)
        .into())
}
