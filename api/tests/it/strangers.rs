//! What belongs to another team is answered like what is not there.
//!
//! Invariant: the two answers differ in nothing but the id that was asked for and the request's own.

use certmill_api::{Access, TABLE};
use certmill_service::Role;
use http::Method;
use serde_json::Value;

use crate::examples::Stage;
use crate::fixture::send;
use crate::matrix::to_nothing;

const MOVE: &str = "
    WITH other AS (INSERT INTO team (name) VALUES ('other') RETURNING id),
         lost AS (UPDATE lost_write SET team_id = (SELECT id FROM other)),
         certificates AS (UPDATE certificate SET team_id = (SELECT id FROM other)),
         jobs AS (UPDATE job SET team_id = (SELECT id FROM other)),
        operations AS (UPDATE operation SET team_id = (SELECT id FROM other)),
         ended AS (UPDATE job_history SET team_id = (SELECT id FROM other))
    UPDATE api_key SET team_id = (SELECT id FROM other) WHERE name = 'ci'";

#[tokio::test]
async fn foreign_and_missing_ids_are_answered_alike() {
    let document = certmill_api::openapi().unwrap();
    let stage = Stage::set().await;
    let moved = sqlx::query(MOVE).execute(stage.api.db.owner()).await;
    assert_eq!(moved.unwrap().rows_affected(), 2);
    let mut asked = 0;
    for route in TABLE.iter().filter(|route| route.path.contains("{id}")) {
        assert!(matches!(route.access, Access::Needs(_)));
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let name = operation["operationId"].as_str().unwrap();
        let example = operation["parameters"][0]["example"].as_str().unwrap();
        let foreign = route.path.replace("{id}", stage.id(name, example));
        let body = &operation["requestBody"]["content"]["application/json"]["example"];
        let mut answers = Vec::new();
        for path in [foreign, to_nothing(route.path)] {
            let method: Method = route.method.parse().unwrap();
            let mut request = stage.api.call(method, &path, Role::Admin);
            if body.is_object() {
                request = request.json(body);
            }
            let answer = send(request).await;
            answer.is(404, "not_found");
            let mut json: Value = answer.json();
            json.as_object_mut().unwrap().remove("request_id");
            let id = path.split('/').nth(4).unwrap();
            answers.push(json.to_string().replace(id, "ID"));
        }
        assert_eq!(answers[0], answers[1], "{name}");
        asked += 1;
    }
    assert!(asked >= 12, "{asked}");
}
