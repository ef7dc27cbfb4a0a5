//! Metrics for Prometheus: what the database says, whichever replica is asked.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use certmill_service::{Caller, cluster, lanes};
use http::header::CONTENT_TYPE;

use crate::app::App;
use crate::contract::{Answer, Operation};
use crate::{Error, views};

/// The media type of the OpenMetrics text format, 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) const PROMETHEUS: Operation = Operation::new(
    "metrics.prometheus",
    "Gives metrics in the OpenMetrics text format: what each lane has to do, who runs and leads, and how old the last success of each schedule is.",
    include_str!("examples/metrics.prometheus.json"),
)
.answers(&[Answer::text(200, OPEN_METRICS, "The metrics.")]);

/// `GET /api/v1/metrics/prometheus`
pub(super) async fn prometheus(
    State(app): State<App>,
    Extension(_): Extension<Caller>,
) -> Result<Response, Error> {
    let found = lanes::list(&app.context).await?;
    let cluster = cluster::read(&app.context).await?;
    let text = views::metrics(&found, &cluster);
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
