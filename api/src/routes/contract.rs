//! The contract itself.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::app::App;
use crate::contract::{Answer, Operation};

pub(super) const SHOW: Operation = Operation::new(
    "contract.show",
    "This document: OpenAPI 3.1 of the API, with the permission of each operation.",
    include_str!("examples/contract.show.json"),
)
.answers(&[Answer::json::<Map<String, Value>>(200, "The document.")]);

/// `GET /api/v1/openapi.json`
pub(super) async fn show(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "application/json")], app.contract.clone()).into_response()
}
