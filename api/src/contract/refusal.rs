//! Why a route table cannot be served: the last guard against a route that nobody thought about.
//!
//! Invariant: a server starts only if each route has a permission or stands among the open ones,
//! is described, and can be told apart.

use std::collections::BTreeSet;

use super::document::Example;
use crate::routes::{Access, BOOTSTRAP, OPEN, Route};

/// The first reason not to serve this table, in words for whoever starts the server.
pub(crate) fn refusal(table: &[Route]) -> Option<String> {
    let mut seen = BTreeSet::new();
    table.iter().find_map(|route| {
        let fault = fault(route).or_else(|| {
            let told_apart =
                seen.insert((route.method, route.path)) && seen.insert(("", route.operation.id));
            (!told_apart).then(|| "is there twice, by path or by operation".to_owned())
        })?;
        Some(format!("the route {} {} {fault}", route.method, route.path))
    })
}

fn fault(route: &Route) -> Option<String> {
    let operation = &route.operation;
    let is_open = matches!(route.access, Access::Open);
    if is_open != OPEN.contains(&route.path) {
        return Some(if is_open {
            "has no permission, and is not among the open routes".to_owned()
        } else {
            "has a permission, but stands among the open routes".to_owned()
        });
    }
    if matches!(route.access, Access::Token) != (route.path == BOOTSTRAP) {
        return Some(format!("has no permission; only {BOOTSTRAP} takes a token"));
    }
    if operation.summary.trim().is_empty() || operation.answers.is_empty() {
        return Some("is not described: it needs a summary and an answer".to_owned());
    }
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2);
    if !in_path.eq(operation.path.iter().map(|parameter| parameter.name)) {
        return Some("describes other path parameters than it has".to_owned());
    }
    let example = match Example::parse(operation.example) {
        Ok(example) => example,
        Err(why) => return Some(format!("has an example that cannot be read: {why}")),
    };
    let known = operation
        .answers
        .iter()
        .any(|answer| answer.status == example.status);
    (!known).then(|| "has an example with a status that it does not answer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Permission;
    use crate::routes::TABLE;

    type Change = fn(&mut Route);

    fn doctored(change: impl FnOnce(&mut Route)) -> Vec<Route> {
        let mut table = TABLE.to_vec();
        let place = table.iter().position(|route| route.path.ends_with("/{id}"));
        change(&mut table[place.unwrap_or_default()]);
        table
    }

    #[test]
    fn the_table_is_served() {
        assert_eq!(refusal(TABLE), None);
    }

    #[test]
    fn an_incomplete_route_is_refused_with_words() {
        let unguarded = doctored(|route| route.access = Access::Open);
        let words = "the route GET /api/v1/certificates/{id} has no permission, and is not among the open routes";
        assert_eq!(refusal(&unguarded).as_deref(), Some(words));
        let cases: [(Change, &str); 7] = [
            (|route| route.access = Access::Token, "has no permission"),
            (|route| route.operation.summary = " ", "is not described"),
            (|route| route.operation.answers = &[], "is not described"),
            (|route| route.operation.path = &[], "other path parameters"),
            (|route| route.operation.example = "{", "cannot be read"),
            (
                |route| route.operation.example = r#"{"status": 299}"#,
                "does not answer",
            ),
            (|route| route.path = "/health", "has a permission, but"),
        ];
        for (change, words) in cases {
            let refused = refusal(&doctored(change)).unwrap_or_default();
            assert!(refused.contains(words), "{words}: {refused}");
        }
        let twice = doctored(|route| {
            route.path = "/api/v1/certificates";
            route.operation.path = &[];
        });
        assert!(refusal(&twice).unwrap_or_default().contains("twice"));
        let open = doctored(|route| route.access = Access::Needs(Permission::CertificatesRead));
        assert_eq!(refusal(&open), None);
    }
}
