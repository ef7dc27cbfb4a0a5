//! Turns written values into typed ones.
//!
//! Invariant: a value of the wrong form is a problem, and reading goes on with the default, so
//! that all problems are found in one pass.

use std::path::{Path, PathBuf};

use crate::key::{self, Kind};
use crate::layers::{Entry, Layers, Raw};
use crate::problem::shown;
use crate::secret_file;
use crate::{Problem, Secret};

pub(crate) struct Reader {
    layers: Layers,
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn new(layers: Layers, problems: Vec<Problem>) -> Self {
        Self { layers, problems }
    }

    pub(crate) fn is_given(&self, key: &str) -> bool {
        self.layers.entry(key).is_some()
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.layers.entry(key)
    }

    /// Where the key was given, for problems found later.
    pub(crate) fn place(&self, key: &str) -> String {
        self.layers
            .entry(key)
            .map_or_else(|| "default".to_owned(), |e| e.origin.to_string())
    }

    pub(crate) fn refuse(&mut self, key: &str, why: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(key);
        self.problems
            .push(Problem::new(format!("`{key}`"), place, why, hint));
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        match self.layers.entry(key)?.raw.clone() {
            Raw::Text(text) => Some(text),
            _ => self.wrong(key, "must be a text"),
        }
    }

    pub(crate) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(key)?);
        if path.as_os_str().is_empty() {
            return self.wrong(key, "must name a file or a folder");
        }
        Some(std::path::absolute(&path).unwrap_or(path))
    }

    pub(crate) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let items = match self.layers.entry(key)?.raw.clone() {
            Raw::List(items) => items,
            Raw::Text(text) => text.split(',').map(str::to_owned).collect(),
            _ => return self.wrong(key, "must be a list of texts"),
        };
        let items = items.iter().map(|item| item.trim().to_owned());
        Some(items.filter(|item| !item.is_empty()).collect())
    }

    pub(crate) fn flag(&mut self, key: &str, default: bool) -> bool {
        let given = self.layers.entry(key).map(|entry| entry.raw.clone());
        let read = match given {
            None => return default,
            Some(Raw::Bool(yes)) => Some(yes),
            Some(Raw::Text(text)) => match text.as_str() {
                "true" | "1" | "yes" | "on" => Some(true),
                "false" | "0" | "no" | "off" => Some(false),
                _ => None,
            },
            Some(_) => None,
        };
        read.or_else(|| self.wrong(key, "must be true or false"))
            .unwrap_or(default)
    }

    pub(crate) fn whole(&mut self, key: &str, default: u64) -> u64 {
        self.given_whole(key).unwrap_or(default)
    }

    pub(crate) fn given_whole(&mut self, key: &str) -> Option<u64> {
        let (least, most) = match key::find(key).map(|key| key.kind) {
            Some(Kind::Whole { least, most }) => (least, most),
            _ => (0, u64::MAX),
        };
        let number = match self.layers.entry(key)?.raw.clone() {
            Raw::Text(text) | Raw::Number(text) => text.parse::<u64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        number.or_else(|| self.wrong(key, &format!("must be a whole number, {least}..{most}")))
    }

    pub(crate) fn share(&mut self, key: &str) -> f64 {
        let number = match self.layers.entry(key).map(|entry| entry.raw.clone()) {
            None => return 0.0,
            Some(Raw::Text(text) | Raw::Number(text)) => text.parse::<f64>().ok(),
            Some(_) => None,
        };
        let number = number.filter(|number| (0.0..=1.0).contains(number));
        number
            .or_else(|| self.wrong(key, "must be a number, 0.0..1.0"))
            .unwrap_or(0.0)
    }

    pub(crate) fn word(&mut self, key: &str) -> Option<&'static str> {
        let words = match key::find(key).map(|key| key.kind) {
            Some(Kind::OneOf(words)) => words,
            _ => &[],
        };
        let given = self.text(key)?;
        let found = words.iter().find(|word| **word == given).copied();
        found.or_else(|| self.wrong(key, &format!("must be one of {}", words.join(", "))))
    }

    /// A secret, from its value or from its file.
    pub(crate) fn secret(&mut self, key: &str) -> Option<Secret> {
        let Entry {
            key: written,
            raw,
            origin,
        } = self.layers.entry(key)?.clone();
        let Raw::Text(text) = raw else {
            return self.wrong(key, "must be a text");
        };
        let read = if written == key {
            secret_file::clean(&format!("`{key}`"), &origin.to_string(), &text)
        } else if text.is_empty() {
            let hint = "name a file, or remove the key";
            let what = format!("`{written}`");
            Err(Problem::new(
                what,
                origin.to_string(),
                "names no file",
                hint,
            ))
        } else {
            secret_file::read_secret_file(&format!("`{written}`"), Path::new(&text))
        };
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The file that a secret came from, if it came from one.
    pub(crate) fn secret_file(&self, key: &str) -> Option<PathBuf> {
        let entry = self.layers.entry(key)?;
        match &entry.raw {
            Raw::Text(path) if entry.key != key => Some(PathBuf::from(path)),
            _ => None,
        }
    }

    /// Adds a problem that shows the value, unless it is a secret.
    fn wrong<T>(&mut self, key: &str, why: &str) -> Option<T> {
        let secret = key::find(key).is_none_or(|key| key.kind == Kind::Secret);
        let got = match self.layers.entry(key).map(|entry| &entry.raw) {
            Some(Raw::Text(text) | Raw::Number(text)) if !secret => {
                format!("{why}, got `{}`", shown(text))
            }
            Some(Raw::Bool(yes)) => format!("{why}, got {yes}"),
            _ => why.to_owned(),
        };
        self.refuse(key, got, "");
        None
    }
}
