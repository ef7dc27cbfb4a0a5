//! What runs on this database, and which build answers.

use axum::extract::State;
use axum::{Extension, Json};
use certmill_service::{Caller, cluster};
use certmill_wire::{Build, ClusterView};

use crate::app::App;
use crate::contract::{Answer, Operation};
use crate::{Error, VERSION, views};

pub(super) const SHOW: Operation = Operation::new(
    "cluster.show",
    "Shows processes, the leader and its epoch, and the schedules.",
    include_str!("examples/cluster.show.json"),
)
.answers(&[Answer::json::<ClusterView>(200, "The cluster.")]);

/// `GET /api/v1/cluster`
pub(super) async fn show(
    State(app): State<App>,
    Extension(_): Extension<Caller>,
) -> Result<Json<ClusterView>, Error> {
    Ok(Json(views::cluster(cluster::read(&app.context).await?)))
}

pub(super) const VERSION_SHOW: Operation = Operation::new(
    "contract.version",
    "Says which build answers, and which schema it knows.",
    include_str!("examples/contract.version.json"),
)
.answers(&[Answer::json::<Build>(200, "The build.")]);

/// `GET /api/v1/version`
pub(super) async fn version() -> Json<Build> {
    Json(Build {
        version: VERSION.to_owned(),
        schema: certmill_pg::newest_migration(),
    })
}
