//! Which problems a route can answer: what follows from its form, and what it declares.
//!
//! Invariant: a code that a layer before the route can answer is here for every route behind it.

use std::collections::{BTreeMap, BTreeSet};

use certmill_service::Role;
use certmill_wire::ProblemCode as Code;

use crate::routes::{Access, Route};

const ALWAYS: &[Code] = &[
    Code::UriTooLong,
    Code::HeadersTooLarge,
    Code::Internal,
    Code::Overloaded,
];
const WITH_KEY: &[Code] = &[
    Code::InvalidQuery,
    Code::Unauthenticated,
    Code::RateLimited,
    Code::DatabaseUnavailable,
];
const WITH_TOKEN: &[Code] = &[Code::RateLimited, Code::DatabaseUnavailable];
const WITH_BODY: &[Code] = &[
    Code::InvalidJson,
    Code::InvalidRequest,
    Code::RequestTimeout,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
];
const WITH_PATH: &[Code] = &[Code::InvalidId, Code::NotFound];
const REPEATABLE: &[Code] = &[
    Code::InvalidIdempotencyKey,
    Code::IdempotencyInProgress,
    Code::IdempotencyMismatch,
];

/// The codes by status.
pub(super) fn codes(route: &Route) -> BTreeMap<u16, BTreeSet<&'static str>> {
    let operation = &route.operation;
    let mut codes: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    let mut add = |status: u16, code| {
        codes.entry(status).or_default().insert(code);
    };
    let groups = [
        (true, ALWAYS),
        (matches!(route.access, Access::Needs(_)), WITH_KEY),
        (matches!(route.access, Access::Token), WITH_TOKEN),
        (operation.body.is_some(), WITH_BODY),
        (!operation.path.is_empty(), WITH_PATH),
        (operation.filters.is_some(), &[Code::InvalidCursor]),
        (operation.repeatable, REPEATABLE),
    ];
    for (_, group) in groups.iter().filter(|(applies, _)| *applies) {
        group
            .iter()
            .for_each(|code| add(code.status(), code.as_str()));
    }
    if !matches!(route.access, Access::Open) {
        add(Code::NotReady.status(), "starting");
    }
    if let Access::Needs(permission) = route.access
        && permission.least_role() > Role::Viewer
    {
        add(Code::Forbidden.status(), Code::Forbidden.as_str());
    }
    for (kind, code) in operation.refusals {
        add(kind.status(), code);
    }
    codes
}
