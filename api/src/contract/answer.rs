//! A success that an operation answers with: status, body, headers.

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of a body; its type's own schema goes among the components.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A header of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub what: &'static str,
    /// Whether each answer of this status carries it.
    pub always: bool,
    /// The JSON type of its value.
    pub schema_type: &'static str,
}

impl Header {
    /// The job to watch.
    pub(crate) const LOCATION_OF_JOB: Self = Self {
        name: "Location",
        what: "Path of the job that does the work: `/api/v1/jobs/{id}`.",
        always: true,
        schema_type: "string",
    };
    /// The operation to watch.
    pub(crate) const LOCATION_OF_OPERATION: Self = Self {
        name: "Location",
        what: "Path of the operation: `/api/v1/operations/{id}`.",
        always: true,
        schema_type: "string",
    };
    /// When to look again.
    pub(crate) const RETRY_AFTER: Self = Self {
        name: "Retry-After",
        what: "When to look or try again, in seconds.",
        always: true,
        schema_type: "integer",
    };
    /// What shows a secret is kept nowhere on the way.
    pub(crate) const NO_STORE: Self = Self {
        name: "Cache-Control",
        what: "`no-store`: the answer shows a secret.",
        always: true,
        schema_type: "string",
    };
    /// The next page.
    pub(crate) const LINK: Self = Self {
        name: "Link",
        what: "Where the next page is, with `rel=\"next\"` (RFC 8288); absent on the last page.",
        always: false,
        schema_type: "string",
    };
}

/// One success of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub what: &'static str,
    pub media_type: &'static str,
    pub schema: SchemaOf,
    pub headers: &'static [Header],
}

impl Answer {
    /// A JSON body of the wire.
    pub(crate) const fn json<T: JsonSchema>(status: u16, what: &'static str) -> Self {
        Self {
            status,
            what,
            media_type: "application/json",
            schema: |generator| generator.subschema_for::<T>(),
            headers: &[],
        }
    }

    /// A body of another media type, as text.
    pub(crate) const fn text(status: u16, media_type: &'static str, what: &'static str) -> Self {
        Self {
            media_type,
            schema: |generator| generator.subschema_for::<String>(),
            ..Self::json::<String>(status, what)
        }
    }

    /// With these headers besides those that every answer has.
    pub(crate) const fn with(self, headers: &'static [Header]) -> Self {
        Self { headers, ..self }
    }
}
