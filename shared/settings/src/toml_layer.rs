//! Reads the TOML file into flat keys with their lines.
//!
//! Invariant: every syntax error is reported with its line, a duplicate with both; a value is
//! never echoed, for it may be a secret.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::Problem;
use crate::layers::{Entry, Origin, Raw};
use crate::problem::shown;

/// The keys of a TOML text; problems are added to the list.
pub(crate) fn read(file: &Path, text: &str, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let place = Place::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(SYNTAX_PROBLEMS_MAX) {
        problems.push(place.syntax_problem(error.message(), error.span()));
    }
    if let Some(more) = errors.len().checked_sub(SYNTAX_PROBLEMS_MAX + 1) {
        let why = format!("{} more faults are not shown", more + 1);
        let hint = "mend the first ones";
        problems.push(Problem::new("settings file", place.file.clone(), why, hint));
    }
    let mut entries = Vec::new();
    place.flatten("", table.get_ref(), &mut entries, problems);
    entries
}

/// How many syntax errors of one file are told; after some a reader has lost the thread.
const SYNTAX_PROBLEMS_MAX: usize = 50;

struct Place<'a> {
    file: String,
    text: &'a str,
    /// Where line feeds stand, counted once: every key asks for its line.
    ends: Vec<usize>,
}

impl<'a> Place<'a> {
    fn new(file: &Path, text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self {
            file: file.display().to_string(),
            text,
            ends,
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }

    fn at(&self, line: usize) -> String {
        format!("{} line {line}", self.file)
    }

    fn syntax_problem(&self, message: &str, span: Option<Range<usize>>) -> Problem {
        let Some(span) = span else {
            return Problem::new("settings file", self.file.clone(), message, "see toml.io");
        };
        let line = self.line(span.start);
        if message.contains("duplicate key") {
            let key = self.text.get(span.clone()).unwrap_or_default().trim();
            let first = self
                .first_use(key, span.start)
                .map_or(String::new(), |first| format!(", first in line {first}"));
            let why = format!("the key stands twice{first}");
            let what = format!("`{}`", shown(key));
            return Problem::new(what, self.at(line), why, "keep one of them");
        }
        Problem::new(
            "settings file",
            self.at(line),
            message,
            "the file must be valid TOML",
        )
    }

    /// The line where a duplicated key stands first: in the same section, above the second.
    fn first_use(&self, key: &str, second: usize) -> Option<usize> {
        let second = self.line(second);
        let mut found = None;
        for (number, line) in self.text.lines().enumerate().take(second - 1) {
            let line = line.trim_start();
            let is_key = line
                .strip_prefix(key)
                .is_some_and(|rest| rest.trim_start().starts_with('='));
            if line.starts_with('[') {
                found = line
                    .trim_matches(['[', ']', ' '])
                    .eq(key)
                    .then_some(number + 1);
            } else if is_key && found.is_none() {
                found = Some(number + 1);
            }
        }
        found
    }

    fn flatten(
        &self,
        section: &str,
        table: &DeTable<'_>,
        entries: &mut Vec<Entry>,
        problems: &mut Vec<Problem>,
    ) {
        for (name, value) in table {
            let key = match section {
                "" => name.get_ref().to_string(),
                section => format!("{section}.{}", name.get_ref()),
            };
            let line = self.line(name.span().start);
            if let DeValue::Table(inner) = value.get_ref() {
                self.flatten(&key, inner, entries, problems);
                continue;
            }
            match raw(value.get_ref()) {
                Some(raw) => {
                    let origin = Origin::File {
                        file: self.file.clone(),
                        line,
                    };
                    entries.push(Entry { key, raw, origin });
                }
                None => problems.push(Problem::new(
                    format!("`{}`", shown(&key)),
                    self.at(line),
                    format!("a {} cannot be used here", value.get_ref().type_str()),
                    "write a text, a number, true/false, or a list of texts",
                )),
            }
        }
    }
}

fn raw(value: &DeValue<'_>) -> Option<Raw> {
    match value {
        DeValue::String(text) => Some(Raw::Text(text.to_string())),
        // Numbers may be written 1_000 in TOML; the reader wants plain digits.
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let parsed = i128::from_str_radix(&digits, number.radix()).ok()?;
            Some(Raw::Number(parsed.to_string()))
        }
        DeValue::Float(number) => Some(Raw::Number(number.as_str().replace('_', ""))),
        DeValue::Boolean(yes) => Some(Raw::Bool(*yes)),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(Raw::List),
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}
