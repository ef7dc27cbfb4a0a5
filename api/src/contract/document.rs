//! Assembles the OpenAPI 3.1 document of a route table.
//!
//! Invariant: requests are described as they are read, answers as they are written, and one name
//! stands for one schema.

use std::collections::{BTreeMap, BTreeSet};

use certmill_wire::Problem;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Header};
use super::{codes, parameters};
use crate::VERSION;
use crate::routes::{Access, Route};

/// An operation's example, as its file holds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    #[serde(default)]
    path: BTreeMap<String, String>,
    #[serde(default)]
    query: BTreeMap<String, Value>,
    body: Option<Value>,
    /// The status that a test must see.
    pub status: u16,
    #[serde(default)]
    answer: Value,
}

impl Example {
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// The document.
///
/// # Errors
/// Words about the schema or example that does not fit.
pub(crate) fn document(table: &[Route]) -> Result<Value, String> {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut assembly = Assembly {
        requests: settings().for_deserialize().into_generator(),
        answers: settings().for_serialize().into_generator(),
        failures: BTreeMap::new(),
    };
    let _ = assembly.answers.subschema_for::<Problem>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in table {
        let example = Example::parse(route.operation.example).map_err(|why| why.to_string())?;
        let operation = assembly.operation(route, &example);
        let at = paths.entry(route.path).or_default();
        at.insert(route.method.to_ascii_lowercase(), operation);
    }
    let failures = std::mem::take(&mut assembly.failures);
    let schemas = assembly.schemas()?;
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "certmill",
            "version": VERSION,
            "description": "Certificates asked for, issued and renewed by jobs. HTTPS with TLS 1.3 only; \
                every failure is `application/problem+json` with a stable `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": tags(table),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": failures,
            "parameters": Map::from_iter(
                parameters::headers().map(|(name, header)| (name.to_owned(), header))
            ),
            "headers": {
                "XRequestId": {
                    "required": true,
                    "description": "By which the request is found in the server's log.",
                    "schema": {"type": "string", "pattern": "^[-A-Za-z0-9_.:]{1,64}$"},
                },
                "RateLimitPolicy": {
                    "required": true,
                    "description": "The limits of this request by name, `key` and `address` or `guesses`: `q` \
                        requests at once, which come back within `w` seconds.",
                    "schema": {"type": "string", "pattern": rates_pattern("q", "w")},
                },
                "RateLimit": {
                    "required": true,
                    "description": "Of each limit, how many requests are left (`r`), as far as this replica \
                        knows, and in how many seconds all of them are back (`t`).",
                    "schema": {"type": "string", "pattern": rates_pattern("r", "t")},
                },
            },
            "securitySchemes": {"key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, as `Authorization: Bearer <key>`.",
            }},
        },
    }))
}

fn tags(table: &[Route]) -> Vec<Value> {
    let names: BTreeSet<&str> = table.iter().map(tag).collect();
    names
        .into_iter()
        .map(|name| json!({"name": name}))
        .collect()
}

/// Operations of one noun belong together.
fn tag(route: &Route) -> &'static str {
    let id = route.operation.id;
    id.split_once('.').map_or(id, |(noun, _)| noun)
}

struct Assembly {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
    failures: BTreeMap<&'static str, Value>,
}

impl Assembly {
    fn operation(&mut self, route: &Route, example: &Example) -> Value {
        let operation = &route.operation;
        let mut described = Map::new();
        let mut put = |name: &str, value| described.insert(name.to_owned(), value);
        put("operationId", json!(operation.id));
        put("summary", json!(operation.summary));
        put("tags", json!([tag(route)]));
        put("parameters", json!(request_parameters(route, example)));
        put("responses", self.responses(route, example));
        match route.access {
            Access::Open | Access::Token => {
                put("security", json!([]));
            }
            Access::Needs(permission) => {
                put("security", json!([{"key": []}]));
                put("x-permission", json!(permission.as_str()));
                put("x-least-role", json!(permission.least_role().as_str()));
            }
        }
        if let Some(body) = operation.body {
            let mut content = json!({"schema": (body.schema)(&mut self.requests)});
            if let Some(value) = &example.body {
                content["example"] = value.clone();
            }
            put(
                "requestBody",
                json!({"required": body.required, "content": {"application/json": content}}),
            );
        }
        described.into()
    }

    fn responses(&mut self, route: &Route, example: &Example) -> Value {
        let mut responses: BTreeMap<String, Value> = BTreeMap::new();
        for answer in route.operation.answers {
            let shown = (answer.status == example.status).then_some(&example.answer);
            let described = self.success(route, answer, shown);
            responses.insert(answer.status.to_string(), described);
        }
        for (status, codes) in codes::codes(route) {
            let described = match codes.first() {
                // What many operations answer alike stands once, under its code.
                Some(code) if codes.len() == 1 => {
                    let alike = failure(status, &codes);
                    self.failures.insert(code, alike);
                    json!({"$ref": format!("#/components/responses/{code}")})
                }
                _ => failure(status, &codes),
            };
            responses.insert(status.to_string(), described);
        }
        json!(responses)
    }

    fn success(&mut self, route: &Route, answer: &Answer, example: Option<&Value>) -> Value {
        let mut headers = Map::from_iter(answer.headers.iter().map(header));
        headers.insert("X-Request-Id".to_owned(), request_id());
        if matches!(route.access, Access::Needs(_)) {
            headers.extend(rates());
        }
        if route.operation.repeatable {
            let replayed = json!({
                "description": "`true` where an earlier request with this Idempotency-Key did the work.",
                "schema": {"type": "string", "const": "true"},
            });
            headers.insert("Idempotency-Replayed".to_owned(), replayed);
        }
        let mut content = json!({"schema": (answer.schema)(&mut self.answers)});
        if let Some(value) = example {
            content["example"] = value.clone();
        }
        json!({
            "description": answer.what,
            "headers": headers,
            "content": {answer.media_type: content},
        })
    }

    /// The schemas of both directions under one roof.
    fn schemas(mut self) -> Result<Map<String, Value>, String> {
        let mut schemas = self.answers.take_definitions(true);
        for (name, schema) in self.requests.take_definitions(true) {
            if let Some(other) = schemas.get(&name).filter(|other| **other != schema) {
                return Err(format!(
                    "the type {name} is read and written in different forms, and needs two names: {schema} and {other}"
                ));
            }
            schemas.insert(name, schema);
        }
        Ok(schemas)
    }
}

fn request_parameters(route: &Route, example: &Example) -> Vec<Value> {
    let operation = &route.operation;
    let mut parameters: Vec<Value> = operation.path.iter().map(|one| one.to_json()).collect();
    if let Some(filters) = operation.filters {
        parameters.extend(filters.iter().map(parameters::filter));
        parameters.extend(parameters::paging());
    }
    for parameter in &mut parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        let shown = example.path.get(name).map(|text| json!(text));
        if let Some(value) = shown.or_else(|| example.query.get(name).cloned()) {
            parameter["example"] = value;
        }
    }
    let headers = [
        ("IdempotencyKey", operation.repeatable),
        ("Prefer", operation.waits),
        ("XRequestId", true),
        ("Traceparent", matches!(route.access, Access::Needs(_))),
    ];
    let taken = headers.iter().filter(|(_, applies)| *applies);
    parameters
        .extend(taken.map(|(name, _)| json!({"$ref": format!("#/components/parameters/{name}")})));
    parameters
}

fn failure(status: u16, codes: &BTreeSet<&'static str>) -> Value {
    let mut headers = Map::new();
    headers.insert("X-Request-Id".to_owned(), request_id());
    let retry_after = Header {
        always: matches!(status, 429 | 503),
        ..Header::RETRY_AFTER
    };
    if retry_after.always || codes.contains("idempotency_in_progress") {
        headers.extend([header(&retry_after)]);
    }
    if status == 429 {
        headers.extend(rates());
    }
    if status == 401 {
        let challenge = json!({"required": true, "schema": {"type": "string", "const": "Bearer realm=\"certmill\""}});
        headers.insert("WWW-Authenticate".to_owned(), challenge);
    }
    let words: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    json!({
        "description": format!("Problem {}.", words.join(", ")),
        "headers": headers,
        "content": {Problem::MEDIA_TYPE: {"schema": {
            "$ref": "#/components/schemas/Problem",
            "properties": {"code": {"enum": codes}, "status": {"const": status}},
        }}},
    })
}

fn header(header: &Header) -> (String, Value) {
    let described = json!({
        "description": header.what,
        "required": header.always,
        "schema": {"type": header.schema_type},
    });
    (header.name.to_owned(), described)
}

/// The headers of limits, on whatever was counted against one.
fn rates() -> [(String, Value); 2] {
    [
        ("RateLimit-Policy", "RateLimitPolicy"),
        ("RateLimit", "RateLimit"),
    ]
    .map(|(name, component)| {
        let place = format!("#/components/headers/{component}");
        (name.to_owned(), json!({"$ref": place}))
    })
}

fn rates_pattern(count: &str, seconds: &str) -> String {
    let item = format!("\"[a-z]+\";{count}=[0-9]+;{seconds}=[0-9]+");
    format!("^{item}(, {item})*$")
}

fn request_id() -> Value {
    json!({"$ref": "#/components/headers/XRequestId"})
}
