//! One operation as its route declares it, next to the function that carries it out.
//!
//! Invariant: an operation without id, summary or example does not compile.

use certmill_wire::{Filter, ProblemCode, QueryParameter, Request};
use schemars::JsonSchema;

use super::answer::{Answer, SchemaOf};
use super::parameters::PathParameter;

/// A body that an operation takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub schema: SchemaOf,
    pub required: bool,
}

/// What an operation takes and answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) example: &'static str,
    pub(super) body: Option<Body>,
    pub(super) path: &'static [PathParameter],
    pub(super) filters: Option<&'static [QueryParameter]>,
    pub(super) repeatable: bool,
    pub(super) waits: bool,
    pub(super) answers: &'static [Answer],
    pub(super) refusals: &'static [(ProblemCode, &'static str)],
}

impl Operation {
    /// An operation by its id (`certificates.request`), what it does in one sentence, and its
    /// example: a JSON object of `path`, `query`, `body`, `status` and `answer`, which a test
    /// carries out.
    pub(crate) const fn new(
        id: &'static str,
        summary: &'static str,
        example: &'static str,
    ) -> Self {
        assert!(!id.is_empty(), "an operation needs an id");
        assert!(!summary.is_empty(), "an operation needs a summary");
        assert!(!example.is_empty(), "an operation needs an example");
        Self {
            id,
            summary,
            example,
            body: None,
            path: &[],
            filters: None,
            repeatable: false,
            waits: false,
            answers: &[],
            refusals: &[],
        }
    }

    /// Takes a body of this type.
    pub(crate) const fn takes<T: Request + JsonSchema>(self) -> Self {
        self.body::<T>(true)
    }

    /// Takes a body of this type, or none.
    pub(crate) const fn may_take<T: Request + JsonSchema>(self) -> Self {
        self.body::<T>(false)
    }

    const fn body<T: JsonSchema>(self, required: bool) -> Self {
        let schema: SchemaOf = |generator| generator.subschema_for::<T>();
        Self {
            body: Some(Body { schema, required }),
            ..self
        }
    }

    /// Has these ids in its path.
    pub(crate) const fn of(self, path: &'static [PathParameter]) -> Self {
        Self { path, ..self }
    }

    /// Lists under this filter, in pages.
    pub(crate) const fn lists<T: Filter>(self) -> Self {
        Self {
            filters: Some(T::PARAMETERS),
            ..self
        }
    }

    /// Takes an `Idempotency-Key`.
    pub(crate) const fn repeatable(self) -> Self {
        Self {
            repeatable: true,
            ..self
        }
    }

    /// Takes `Prefer: wait=N`.
    pub(crate) const fn waits(self) -> Self {
        Self {
            waits: true,
            ..self
        }
    }

    /// Answers so when it succeeds.
    pub(crate) const fn answers(self, answers: &'static [Answer]) -> Self {
        Self { answers, ..self }
    }

    /// Answers so when it fails, besides what follows from its path, query, body and key: the
    /// kind, and its own finer code.
    pub(crate) const fn refuses(self, refusals: &'static [(ProblemCode, &'static str)]) -> Self {
        Self { refusals, ..self }
    }

    /// What it does, in one sentence.
    pub(crate) const fn summary(&self) -> &'static str {
        self.summary
    }

    /// Whether it knows any query parameter.
    pub(crate) const fn has_query(&self) -> bool {
        self.filters.is_some()
    }
}
