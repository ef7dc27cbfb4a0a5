//! Every example of the contract, carried out: the document is not prose.
//!
//! Invariant: a route without an example that works is a failing test.

use certmill_api::{Access, TABLE};
use certmill_domain::ids::CutId;
use certmill_service::Role;
use http::Method;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, Wish, csr_for, send};
use crate::issuing::issue;

/// Whether the value fits the schema, whose references lead into the document's components.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&whole)
        .map_err(|why| why.to_string())?;
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; "))
    }
}

/// The response that the document describes for this status.
fn described(document: &Value, operation: &Value, status: u16) -> Value {
    let found = &operation["responses"][status.to_string()];
    match found["$ref"].as_str() {
        Some(place) => document.pointer(&place[1..]).unwrap().clone(),
        None => found.clone(),
    }
}

/// Holds an answer against the document: status, media type, headers, body.
fn conforms(document: &Value, operation: &Value, answer: &Answer) {
    let described = described(document, operation, answer.status);
    assert!(described.is_object(), "status not described: {answer:?}");
    for (name, header) in described["headers"].as_object().unwrap() {
        let required = header["required"] == true || header["$ref"].is_string();
        assert!(
            !required || answer.headers.contains_key(name),
            "no {name}: {answer:?}"
        );
    }
    let media_type = answer.header("content-type");
    let schema = &described["content"][media_type]["schema"];
    assert!(
        schema.is_object(),
        "{media_type} is not described: {answer:?}"
    );
    let body = if media_type.contains("json") {
        answer.json()
    } else {
        json!(answer.text)
    };
    fits(document, schema, &body).unwrap_or_else(|why| panic!("{why}: {answer:?}"));
}

/// One server with something of everything, and the ids of it.
pub struct Stage {
    pub api: Api,
    certificate: String,
    sealed: String,
    job: String,
    cancelled: String,
    key: String,
    spare_key: String,
    operation: String,
    cut: String,
}

impl Stage {
    pub async fn set() -> Self {
        let api = Api::start().await;
        let ask = async |body: Value| {
            let made = api.post("/api/v1/certificates", &body).await.json();
            let text = |of: &str| made[of]["id"].as_str().unwrap().to_owned();
            (text("certificate"), text("job"))
        };
        let with_csr = |name: &str| json!({"name": name, "csr": csr_for(name)});
        let (certificate, _) = ask(with_csr("a.example")).await;
        issue(&api, &certificate, time::Duration::HOUR).await;
        let (_, job) = ask(with_csr("b.example")).await;
        let (_, cancelled) = ask(with_csr("c.example")).await;
        let cancel = format!("/api/v1/jobs/{cancelled}/cancel");
        assert_eq!(api.post(&cancel, &json!({})).await.status, 200);
        let kept = json!({"name": "kept", "lifetime_s": 3600, "key_source": "sealed"});
        assert_eq!(api.post("/api/v1/profiles", &kept).await.status, 201);
        let (sealed, _) = ask(json!({"name": "d.example", "profile": "kept"})).await;
        let new_key = async || {
            let body = json!({"name": "ci", "role": "viewer"});
            let made = api.post("/api/v1/keys", &body).await.json();
            made["key"]["id"].as_str().unwrap().to_owned()
        };
        let (key, spare_key) = (new_key().await, new_key().await);
        let wish = json!({"verb": "retry", "selector": {"kinds": ["issue"]}});
        let operation = api.post("/api/v1/jobs/bulk", &wish).await.json();
        let operation = operation["id"].as_str().unwrap().to_owned();
        let cut = lose_something(&api).await;
        Self {
            api,
            certificate,
            sealed,
            job,
            cancelled,
            key,
            spare_key,
            operation,
            cut,
        }
    }

    /// What stands on this stage for the id of an example.
    pub fn id<'a>(&'a self, operation: &str, example: &'a str) -> &'a str {
        if operation.starts_with("lanes.") || operation.starts_with("job_kinds.") {
            return example;
        }
        match (operation, example.split_once('_').unwrap().0) {
            ("certificates.export_key", _) => &self.sealed,
            ("jobs.retry", _) => &self.cancelled,
            ("keys.revoke", _) => &self.spare_key,
            (_, "key") => &self.key,
            (_, "cert") => &self.certificate,
            (_, "job") => &self.job,
            (_, "op") => &self.operation,
            (_, "cut") => &self.cut,
            other => panic!("put something like {other:?} on the stage"),
        }
    }
}

/// A change that a failover has lost; the id of its cut.
async fn lose_something(api: &Api) -> String {
    let told = "WITH cut AS (
             INSERT INTO history_cut (process, role, server_started_at, remembered, lost)
             VALUES ('api-1', 'api', now(), 1, 1) RETURNING id)
         INSERT INTO lost_write (cut_id, audit_id, at, team_id, actor, action, object)
         SELECT id, 1, now(), 1, 'key_1', 'certificate.request', 'cert_1' FROM cut RETURNING cut_id";
    let id: i64 = sqlx::query_scalar(told)
        .fetch_one(api.db.owner())
        .await
        .unwrap();
    CutId(id).to_string()
}

fn query(operation: &Value) -> String {
    let mut pairs = Vec::new();
    for parameter in operation["parameters"].as_array().unwrap() {
        if parameter["in"] == "query" && !parameter["example"].is_null() {
            let name = parameter["name"].as_str().unwrap();
            let values = match &parameter["example"] {
                Value::Array(many) => many.clone(),
                one => vec![one.clone()],
            };
            let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
            pairs.extend(values.iter().map(|value| format!("{name}={}", text(value))));
        }
    }
    pairs.join("&")
}

#[tokio::test]
async fn every_example_works_as_it_is_written() {
    let document = certmill_api::openapi().unwrap();
    let stage = Stage::set().await;
    // The door of the first admin is open where nobody has a key.
    let fresh = Api::start_with(Wish {
        bootstrap_token: Some("put-the-content-of-bootstrap-token-file-here"),
        ..Wish::default()
    })
    .await;
    let emptied = sqlx::query("DELETE FROM api_key").execute(fresh.db.owner());
    assert_eq!(emptied.await.unwrap().rows_affected(), 3);
    for route in TABLE {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let name = operation["operationId"].as_str().unwrap();
        let mut path = route.path.to_owned();
        for parameter in operation["parameters"].as_array().unwrap() {
            if parameter["in"] == "path" {
                let given = stage.id(name, parameter["example"].as_str().unwrap());
                let braced = format!("{{{}}}", parameter["name"].as_str().unwrap());
                path = path.replace(&braced, given);
            }
        }
        let query = query(operation);
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
        let method: Method = route.method.parse().unwrap();
        let mut request = match route.access {
            Access::Token => fresh.http.request(method, fresh.url(&path)),
            _ => stage.api.call(method, &path, Role::Admin),
        };
        let body = &operation["requestBody"]["content"]["application/json"];
        if body.is_object() {
            fits(&document, &body["schema"], &body["example"]).unwrap();
            request = request.json(&body["example"]);
        }
        let answer = send(request).await;
        let (status, shown) = shown(operation);
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        conforms(&document, operation, &answer);
        let schema = &operation["responses"][status.to_string()]["content"];
        let schema = &schema.as_object().unwrap().values().next().unwrap()["schema"];
        fits(&document, schema, &shown).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// Status and body of the example that an operation shows.
fn shown(operation: &Value) -> (u16, Value) {
    let responses = operation["responses"].as_object().unwrap();
    let mut found = responses.iter().filter_map(|(status, response)| {
        let content = response["content"].as_object()?.values().next()?;
        content
            .get("example")
            .map(|shown| (status.parse().unwrap(), shown.clone()))
    });
    found.next().unwrap()
}

#[tokio::test]
async fn problems_are_as_they_are_described() {
    let document = certmill_api::openapi().unwrap();
    let stage = Stage::set().await;
    let nothing = format!("/api/v1/certificates/cert_{}", "0".repeat(26));
    for (method, template, path, role, status) in [
        (
            "get",
            "/api/v1/certificates/{id}",
            "/api/v1/certificates/x",
            Role::Viewer,
            400,
        ),
        (
            "get",
            "/api/v1/certificates/{id}",
            nothing.as_str(),
            Role::Viewer,
            404,
        ),
        (
            "get",
            "/api/v1/certificates",
            "/api/v1/certificates?nme=x",
            Role::Viewer,
            400,
        ),
        (
            "get",
            "/api/v1/jobs",
            "/api/v1/jobs?cursor=AAAA",
            Role::Viewer,
            400,
        ),
        (
            "post",
            "/api/v1/profiles",
            "/api/v1/profiles",
            Role::Operator,
            403,
        ),
        (
            "post",
            "/api/v1/profiles",
            "/api/v1/profiles",
            Role::Admin,
            415,
        ),
    ] {
        let upper: Method = method.to_uppercase().parse().unwrap();
        let answer = send(stage.api.call(upper, path, role)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        conforms(&document, &document["paths"][template][method], &answer);
    }
    let bare = send(stage.api.http.get(stage.api.url("/api/v1/jobs"))).await;
    assert_eq!(bare.status, 401);
    conforms(&document, &document["paths"]["/api/v1/jobs"]["get"], &bare);
}
