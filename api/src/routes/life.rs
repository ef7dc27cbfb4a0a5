//! Life and readiness, for supervisors and balancers; no key needed.

use axum::Json;
use axum::extract::State;
use certmill_wire::{FieldError, HealthView, Problem, ProblemCode, ReadyView};

use crate::Error;
use crate::app::App;
use crate::contract::{Answer, Operation};

const LIVES: &[Answer] = &[Answer::json::<HealthView>(200, "It lives.")];
const SERVES: &[Answer] = &[Answer::json::<ReadyView>(200, "It serves.")];
const NOT_READY: &[(ProblemCode, &str)] = &[(ProblemCode::NotReady, "not_ready")];

pub(super) const HEALTH: Operation = Operation::new(
    "life.health",
    "Says that the process lives.",
    include_str!("examples/life.health.json"),
)
.answers(LIVES);

pub(super) const LIVEZ: Operation = Operation::new(
    "life.livez",
    "The same as `/health`.",
    include_str!("examples/life.health.json"),
)
.answers(LIVES);

pub(super) const READY: Operation = Operation::new(
    "life.ready",
    "Says that requests will be served; else names what is missing.",
    include_str!("examples/life.ready.json"),
)
.answers(SERVES)
.refuses(NOT_READY);

pub(super) const READYZ: Operation = Operation::new(
    "life.readyz",
    "The same as `/ready`.",
    include_str!("examples/life.ready.json"),
)
.answers(SERVES)
.refuses(NOT_READY);

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
