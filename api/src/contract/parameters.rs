//! What a request carries besides its body: ids in the path, filters in the query, headers.

use certmill_domain::ids::{ApiKeyId, CertificateId, CutId, JobId, OperationId};
use certmill_wire::{DEFAULT_LIMIT, MAX_LIMIT, QueryParameter};
use serde_json::{Value, json};

/// An id in a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathParameter {
    /// The name between the braces.
    pub name: &'static str,
    /// What it names.
    pub what: &'static str,
    /// The form of its text.
    pub pattern: &'static str,
}

/// The `{id}` of a certificate.
pub(crate) const CERTIFICATE_ID: PathParameter = PathParameter {
    name: "id",
    what: "Id of the certificate.",
    pattern: CertificateId::PATTERN,
};

/// The `{id}` of an API key.
pub(crate) const KEY_ID: PathParameter = PathParameter {
    name: "id",
    what: "Id of the API key; not the key itself.",
    pattern: ApiKeyId::PATTERN,
};

/// The `{id}` of a job.
pub(crate) const JOB_ID: PathParameter = PathParameter {
    name: "id",
    what: "Id of the job.",
    pattern: JobId::PATTERN,
};

/// The `{id}` of a cut.
pub(crate) const CUT_ID: PathParameter = PathParameter {
    name: "id",
    what: "Id of the cut.",
    pattern: CutId::PATTERN,
};

/// The `{name}` of a lane.
pub(crate) const LANE_NAME: PathParameter = PathParameter {
    name: "name",
    what: "Name of the lane.",
    pattern: NAME_PATTERN,
};

/// The `{kind}` of jobs.
pub(crate) const JOB_KIND: PathParameter = PathParameter {
    name: "kind",
    what: "Kind of jobs.",
    pattern: NAME_PATTERN,
};

/// What [`crate::id::Name`] takes.
const NAME_PATTERN: &str = r"^[^\u0000-\u001f\u007f]{1,200}$";

/// The `{id}` of an operation.
pub(crate) const OPERATION_ID: PathParameter = PathParameter {
    name: "id",
    what: "Id of the operation.",
    pattern: OperationId::PATTERN,
};

impl PathParameter {
    pub(super) fn to_json(self) -> Value {
        json!({
            "name": self.name,
            "in": "path",
            "required": true,
            "description": self.what,
            "schema": {"type": "string", "pattern": self.pattern},
        })
    }
}

/// A filter: several values of one parameter are alternatives.
pub(super) fn filter(parameter: &QueryParameter) -> Value {
    let words = (parameter.words)();
    let item = if words.is_empty() {
        // Postgres texts cannot hold NUL, so a filter with one is refused.
        json!({"type": "string", "pattern": "^[^\\u0000]*$"})
    } else {
        json!({"type": "string", "enum": words})
    };
    json!({
        "name": parameter.name,
        "in": "query",
        "description": parameter.what,
        "explode": true,
        "schema": {"type": "array", "items": item},
    })
}

/// The two parameters that every list has.
pub(super) fn paging() -> [Value; 2] {
    [
        json!({
            "name": "limit",
            "in": "query",
            "description": "Rows of the page.",
            "schema": {
                "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT,
            },
        }),
        json!({
            "name": "cursor",
            "in": "query",
            "description": "Where the page begins: `next_cursor` of the page before. Opaque, \
                and bound to the list, its filter and the key.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 512},
        }),
    ]
}

/// Headers of requests, by the name of their component.
pub(super) fn headers() -> [(&'static str, Value); 4] {
    let header = |name: &str, what: &str, schema: Value| json!({"name": name, "in": "header", "description": what, "schema": schema});
    [
        (
            "IdempotencyKey",
            header(
                "Idempotency-Key",
                "Makes a repeat harmless: within 24 hours the same key with the same body \
                 answers as the first time.",
                json!({"type": "string", "pattern": "^[!-~]{1,255}$"}),
            ),
        ),
        (
            "Prefer",
            header(
                "Prefer",
                "`wait=N` (RFC 7240) holds the answer for at most N seconds, and never longer \
                 than 20, until the job has ended. What is not understood is passed over.",
                json!({"type": "string", "examples": ["wait=2"]}),
            ),
        ),
        (
            "XRequestId",
            header(
                "X-Request-Id",
                "The client's own id of the request, 64 characters of `A-Z a-z 0-9 - _ . :` at \
                 most; without a fit one the server draws it.",
                json!({"type": "string"}),
            ),
        ),
        (
            "Traceparent",
            header(
                "traceparent",
                "W3C Trace Context; the job goes on in the same trace.",
                json!({"type": "string"}),
            ),
        ),
    ]
}
