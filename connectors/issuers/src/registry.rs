//! The list of issuer kinds: one line a connector.
//!
//! Invariant: a kind is in the catalog exactly if it can be connected.

use certmill_spi::{Connector, Deps, Fault, Issuer};
use serde::Deserialize;
use serde_json::Value;

use crate::local::Local;
use crate::rehearsal::Rehearsal;

const ENTRIES: &[Entry] = &[Entry::of::<Local>(), Entry::of::<Rehearsal>()];

/// One kind of issuer, for forms, checks and reference pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Its word in rows, URLs and settings.
    pub kind: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Whether only a process that loaded `ca.kek` can run it.
    pub needs_ca_key: bool,
    /// JSON Schema of its settings.
    pub schema: Value,
}

type Connected = Result<Box<dyn Issuer>, Fault>;

struct Entry {
    kind: &'static str,
    title: &'static str,
    needs_ca_key: bool,
    schema: fn() -> Value,
    connect: fn(&Value, Deps) -> Connected,
}

impl Entry {
    const fn of<C: Connector>() -> Self {
        Self {
            kind: C::KIND,
            title: C::TITLE,
            needs_ca_key: C::NEEDS_CA_KEY,
            schema: || schemars::schema_for!(C::Config).to_value(),
            connect: |config, deps| C::connect(read::<C>(config)?, deps),
        }
    }
}

/// All kinds, in the order of the list.
#[must_use]
pub fn catalog() -> Vec<Listing> {
    let listings = ENTRIES.iter().map(|entry| Listing {
        kind: entry.kind,
        title: entry.title,
        needs_ca_key: entry.needs_ca_key,
        schema: (entry.schema)(),
    });
    listings.collect()
}

/// Whether this build has a connector of that kind.
#[must_use]
pub fn is_known(kind: &str) -> bool {
    ENTRIES.iter().any(|entry| entry.kind == kind)
}

/// Makes an issuer of `kind` from its stored settings.
///
/// # Errors
/// A fault of class `Misconfigured`: an unknown kind, or settings that do not fit.
pub fn connect(kind: &str, config: &Value, deps: Deps) -> Result<Box<dyn Issuer>, Fault> {
    let entry = ENTRIES
        .iter()
        .find(|entry| entry.kind == kind)
        .ok_or_else(|| {
            let known = ENTRIES
                .iter()
                .map(|entry| entry.kind)
                .collect::<Vec<_>>()
                .join(", ");
            Fault::misconfigured(
                "unknown_issuer_kind",
                format!("no issuer kind {kind}; known: {known}"),
            )
        })?;
    (entry.connect)(config, deps)
}

fn read<C: Connector>(config: &Value) -> Result<C::Config, Fault> {
    C::Config::deserialize(config).map_err(|error| {
        let why = without_quoted(&error.to_string());
        let detail = format!(
            "the settings of this issuer ({}) do not fit: {why}",
            C::KIND
        );
        Fault::misconfigured("issuer_config_invalid", detail)
    })
}

/// serde quotes the values that it refuses, which may be secrets; names of fields
/// stand between backticks and stay.
fn without_quoted(message: &str) -> String {
    let mut parts = message.split('"');
    let mut out = parts.next().unwrap_or_default().to_owned();
    if let Some(last) = parts.next_back() {
        out.push_str("(hidden)");
        out.push_str(last);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn fault(kind: &str, config: Value) -> Fault {
        connect(kind, &config, Deps::default()).err().unwrap()
    }

    #[test]
    fn the_catalog_describes_each_kind() {
        let catalog = catalog();
        let local = catalog
            .iter()
            .find(|listing| listing.kind == "local")
            .unwrap();
        assert!(local.needs_ca_key);
        assert_eq!(local.schema["required"], json!(["chain_pem"]));
        assert!(local.schema["properties"]["chain_pem"]["description"].is_string());
        let mut kinds: Vec<_> = catalog.iter().map(|listing| listing.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), catalog.len(), "a kind is listed twice");
    }

    #[test]
    fn wrong_kinds_and_settings_are_named_without_values() {
        assert_eq!(fault("vault", json!({})).code, "unknown_issuer_kind");
        for config in [
            json!({}),
            json!({"chain_pem": "", "extra": 1}),
            json!(null),
            json!("s3cret"),
        ] {
            let fault = fault("local", config);
            assert_eq!(fault.code, "issuer_config_invalid");
            assert!(!fault.detail.contains("s3cret"), "{fault}");
        }
        assert!(fault("local", json!({})).detail.contains("chain_pem"));
        assert_eq!(without_quoted("a \"b \\\" c\" d"), "a (hidden) d");
    }
}
