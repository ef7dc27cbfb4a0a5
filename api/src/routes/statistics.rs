//! What jobs came to by the hour.

use axum::extract::State;
use axum::{Extension, Json};
use certmill_service::{Caller, statistics};
use certmill_wire::JobHoursView;

use crate::app::App;
use crate::contract::{Answer, Operation};
use crate::{Error, views};

pub(super) const JOBS: Operation = Operation::new(
    "statistics.jobs",
    "Counts the jobs of the last week by hour, kind and result; the hour that runs is not among them.",
    include_str!("examples/statistics.jobs.json"),
)
.answers(&[Answer::json::<JobHoursView>(200, "The hours.")]);

/// `GET /api/v1/statistics/jobs`
pub(super) async fn jobs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<JobHoursView>, Error> {
    let found = statistics::job_hours(&app.context, &caller).await?;
    Ok(Json(views::job_hours(found)))
}
