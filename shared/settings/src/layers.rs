//! Puts flags over environment over file, key by key.
//!
//! Invariant: an unknown key in any layer is a problem with its place and a suggestion; a secret
//! and its file are one key, so the stronger layer wins whichever form it uses.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::key::{self, Kind};
use crate::problem::shown;
use crate::{Env, Error, Overrides, Problem, suggest, toml_layer};

/// A value as it was written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    Text(String),
    Number(String),
    Bool(bool),
    List(Vec<String>),
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown, may be a secret)")
    }
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(String),
    Env(String),
    File { file: String, line: usize },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::File { file, line } => write!(f, "{file} line {line}"),
        }
    }
}

/// One written value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As written: a key, or a secret's `_file` form.
    pub(crate) key: String,
    pub(crate) raw: Raw,
    pub(crate) origin: Origin,
}

/// How many unknown keys of a layer are told.
const UNKNOWN_MAX: usize = 50;

/// The winning entry of each key that was given at all.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    entries: BTreeMap<&'static str, Entry>,
}

impl Layers {
    /// Reads all layers.
    ///
    /// # Errors
    /// A secret on the command line.
    pub(crate) fn read(
        overrides: &Overrides,
        env: &Env,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, Error> {
        let mut layers = Self::default();
        if let Some(file) = config_file(overrides, env) {
            match std::fs::read_to_string(&file) {
                Ok(text) => layers.put_layer(toml_layer::read(&file, &text, problems), problems),
                Err(error) => problems.push(Problem::new(
                    "settings file",
                    file.display().to_string(),
                    format!("cannot be read: {error}"),
                    "check --config or CERTMILL_CONFIG",
                )),
            }
        }
        layers.put_layer(env_entries(env, problems), problems);
        let flags = overrides.entries().into_iter();
        let flags: Vec<Entry> = flags
            .map(|(flag, key, raw)| Entry {
                key,
                raw,
                origin: Origin::Flag(flag),
            })
            .collect();
        for flag in &flags {
            refuse_secret_flag(flag)?;
        }
        layers.put_layer(flags, problems);
        Ok(layers)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    fn put_layer(&mut self, entries: Vec<Entry>, problems: &mut Vec<Problem>) {
        let mut seen: BTreeMap<&'static str, String> = BTreeMap::new();
        let mut strangers = Vec::new();
        for entry in entries {
            let Some(key) = key::find(&entry.key) else {
                strangers.push(entry);
                continue;
            };
            if let Some(other) = seen.insert(key.name, entry.key.clone()) {
                problems.push(Problem::new(
                    format!("`{}`", entry.key),
                    entry.origin.to_string(),
                    format!("given together with `{other}`"),
                    "give one of them",
                ));
                continue;
            }
            self.entries.insert(key.name, entry);
        }
        problems.extend(strangers.iter().take(UNKNOWN_MAX).map(unknown));
        if let Some(first) = strangers.get(UNKNOWN_MAX) {
            let what = format!("{} more unknown keys", strangers.len() - UNKNOWN_MAX);
            let hint = "this may be the file of another program";
            problems.push(Problem::new(
                what,
                format!("from {} on", first.origin),
                "they are not shown",
                hint,
            ));
        }
    }
}

fn config_file(overrides: &Overrides, env: &Env) -> Option<PathBuf> {
    let from_env = || env.var("CERTMILL_CONFIG").map(PathBuf::from);
    overrides
        .config
        .clone()
        .or_else(from_env)
        .filter(|file| file.as_path() != Path::new(""))
}

/// Names that belong to the client, to tests, or to this reader itself.
const NOT_SETTINGS: &[&str] = &[
    "CERTMILL_CONFIG",
    "CERTMILL_URL",
    "CERTMILL_API_KEY",
    "CERTMILL_API_KEY_FILE",
    "CERTMILL_CA_FILE",
];

fn env_entries(env: &Env, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for name in env.vars.keys().filter(|name| name.starts_with("CERTMILL_")) {
        let Some(value) = env.var(name) else { continue };
        let key = key::names().find(|key| key::env_name(key) == *name);
        match key {
            Some(key) => entries.push(Entry {
                key,
                raw: Raw::Text(value.to_owned()),
                origin: Origin::Env(name.clone()),
            }),
            None if is_foreign(name) => {}
            None => {
                let known: Vec<String> = key::names().map(|key| key::env_name(&key)).collect();
                problems.push(Problem::new(
                    "unknown setting",
                    format!("env {}", shown(name)),
                    "there is no such setting",
                    hint(suggest::nearest(name, known.iter().map(String::as_str))),
                ));
            }
        }
    }
    entries
}

/// Variables with our prefix that are not settings. An orchestrator that has a service named
/// `certmill` sets `CERTMILL_SERVICE_HOST`, `CERTMILL_PORT_8443_TCP_ADDR` and the like.
fn is_foreign(name: &str) -> bool {
    NOT_SETTINGS.contains(&name)
        || name.starts_with("CERTMILL_TEST_")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

fn unknown(entry: &Entry) -> Problem {
    let known: Vec<String> = key::names().collect();
    let nearest = suggest::nearest(&entry.key, known.iter().map(String::as_str));
    let what = format!("unknown key `{}`", shown(&entry.key));
    Problem::new(
        what,
        entry.origin.to_string(),
        "there is no such setting",
        hint(nearest),
    )
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(word) => format!("did you mean `{word}`?"),
        None => "see the settings reference".to_owned(),
    }
}

/// Arguments are visible to every user of the machine, so secrets are not taken from them. A
/// database URL without a password is none.
fn refuse_secret_flag(flag: &Entry) -> Result<(), Error> {
    let is_secret = |key: &key::Key| key.kind == Kind::Secret && key.name == flag.key;
    let Some(key) = key::find(&flag.key).filter(|key| is_secret(key)) else {
        return Ok(());
    };
    let Raw::Text(value) = &flag.raw else {
        return Ok(());
    };
    // A text that cannot be read may hold a password that is written wrongly.
    let maybe_password = crate::DatabaseAddress::parse(value)
        .map_or(value.contains('@'), |address| address.has_password);
    if !maybe_password {
        return Ok(());
    }
    Err(Error::Usage(Problem::new(
        "database URL with a password",
        flag.origin.to_string(),
        "arguments are visible to every user of this machine",
        format!(
            "put it into a file named by {}_FILE, or use PGPASSFILE",
            key::env_name(key.name)
        ),
    )))
}
