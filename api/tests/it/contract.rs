//! The contract on paper: the checked-in document and the reference say what the table says.

use certmill_api::{Access, TABLE};
use serde_json::Value;

const UPDATE: &str = "CERTMILL_UPDATE_DOCS=1 cargo test -p certmill-api --test it";

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference");

/// Holds a page against what it should be, or writes it where that was asked for.
pub fn hold(path: &str, wanted: &str) {
    if std::env::var_os("CERTMILL_UPDATE_DOCS").is_some() {
        std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{path} is stale; run {UPDATE}");
}

/// The same object with its keys in order, whatever another crate makes of serde_json's maps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().collect();
            pairs.sort_by(|one, other| one.0.cmp(&other.0));
            pairs
                .into_iter()
                .map(|(name, inner)| (name, sorted(inner)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let document = sorted(certmill_api::openapi().unwrap());
    hold(
        &format!("{REFERENCE}/openapi.json"),
        &format!("{document:#}\n"),
    );
}

#[test]
fn the_reference_names_every_route_with_its_permission() {
    let found = std::fs::read_to_string(format!("{REFERENCE}/rest.md")).unwrap();
    let (before, rest) = found.split_once("<!-- routes -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of routes -->\n").unwrap();
    let mut rows =
        String::from("| route | permission | role | what it does |\n|---|---|---|---|\n");
    for route in TABLE {
        let (permission, role) = match route.access {
            Access::Open => ("-", "no key"),
            Access::Token => ("-", "bootstrap token"),
            Access::Needs(needed) => (needed.as_str(), needed.least_role().as_str()),
        };
        let path = route.path.trim_start_matches("/api/v1");
        let (method, summary) = (route.method, route.summary());
        rows.push_str(&format!(
            "| `{method} {path}` | {permission} | {role} | {summary} |\n"
        ));
    }
    hold(
        &format!("{REFERENCE}/rest.md"),
        &format!("{before}<!-- routes -->\n{rows}<!-- end of routes -->\n{after}"),
    );
}
