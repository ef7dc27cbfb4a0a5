//! What runs on this database, and which build answers.

use axum::extract::State;
use axum::{Extension, Json};
use certmill_service::{Caller, cluster};
use certmill_wire::{Build, ClusterView};

use crate::app::App;
use crate::{Error, VERSION, views};

/// `GET /api/v1/cluster`
pub(super) async fn show(
    State(app): State<App>,
    Extension(_): Extension<Caller>,
) -> Result<Json<ClusterView>, Error> {
    Ok(Json(views::cluster(cluster::read(&app.context).await?)))
}

/// `GET /api/v1/version`
pub(super) async fn version() -> Json<Build> {
    Json(Build {
        version: VERSION.to_owned(),
        schema: certmill_pg::newest_migration(),
    })
}
