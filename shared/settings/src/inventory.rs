//! Every setting with the value that counts and where it came from.
//!
//! Invariant: a secret is masked here, so that whoever prints a row prints none.

use secrecy::ExposeSecret as _;

use crate::key::{self, Key, Kind};
use crate::layers::{Entry, Origin, Raw};
use crate::mask::{MASK, mask_url};
use crate::reader::Reader;
use crate::{DatabaseTls, LogFormat, Settings};

/// One setting as it counts for a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSetting {
    /// The key in TOML.
    pub key: &'static str,
    /// The value, secrets masked; empty means that it is not set.
    pub value: String,
    /// Where it came from: `flag --listen`, `env CERTMILL_LISTEN`, `certmill.toml:3`, `default`.
    pub origin: String,
}

impl ShownSetting {
    /// Whether the value is masked, so that it cannot be used again.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        key::find(self.key).is_some_and(is_secret)
    }
}

pub(crate) fn take(settings: &Settings, reader: &Reader) -> Vec<ShownSetting> {
    key::all()
        .map(|key| {
            let entry = reader.entry(key.name);
            ShownSetting {
                key: key.name,
                value: match entry {
                    Some(entry) => given(settings, key, entry),
                    None => default(settings, key),
                },
                origin: entry.map_or_else(|| "default".to_owned(), origin),
            }
        })
        .collect()
}

fn origin(entry: &Entry) -> String {
    let place = match &entry.origin {
        Origin::File { file, line } => format!("{file}:{line}"),
        other => other.to_string(),
    };
    match (&entry.raw, entry.key.ends_with("_file")) {
        // A secret's own file: the place names the file's name, not what is in it.
        (Raw::Text(path), true) if key::find(&entry.key).is_some_and(is_secret) => {
            format!("{place}, in {path}")
        }
        _ => place,
    }
}

fn is_secret(key: &'static Key) -> bool {
    key.kind == Kind::Secret
}

fn given(settings: &Settings, key: &Key, entry: &Entry) -> String {
    if key.kind == Kind::Secret {
        return secret(settings, key);
    }
    match &entry.raw {
        Raw::Text(text) if text.contains("://") => mask_url(text),
        Raw::Text(text) | Raw::Number(text) => text.clone(),
        Raw::Bool(yes) => yes.to_string(),
        Raw::List(items) => items.join(","),
    }
}

fn secret(settings: &Settings, key: &Key) -> String {
    let url = match key.name {
        "database_url" => &settings.database.url,
        "migrate_url" => &settings.database.migrate_url,
        _ => return MASK.to_owned(),
    };
    url.as_ref()
        .map_or_else(String::new, |url| mask_url(url.expose_secret()))
}

/// Defaults that depend on the machine, the role or another setting; the rest stand in the list.
fn default(settings: &Settings, key: &Key) -> String {
    match key.name {
        "database_url" | "migrate_url" => secret(settings, key),
        "database.max_connections" => settings.max_connections(settings.role).to_string(),
        "database.tls" => tls_word(settings.database.tls).to_owned(),
        "cache_dir" => settings.database.cache_dir.display().to_string(),
        "data_dir" => settings.data_dir.display().to_string(),
        "ca_kek_file" => settings.ca_kek_file.display().to_string(),
        "app_kek_file" => settings.app_kek_file.display().to_string(),
        "log.format" => match settings.log.format {
            LogFormat::Json => "json".to_owned(),
            LogFormat::Text => "text".to_owned(),
        },
        "worker.name" => settings.worker.name.clone(),
        "process.rescue_ms" => settings.process.rescue.as_millis().to_string(),
        _ => key.default.to_owned(),
    }
}

fn tls_word(tls: DatabaseTls) -> &'static str {
    match tls {
        DatabaseTls::VerifyFull => "verify-full",
        DatabaseTls::Require => "require",
        DatabaseTls::Disable => "disable",
    }
}
