//! Forms of what is printed, and which of them a command has.
//!
//! Invariant: a form that a command does not have is refused before anything is done, and the
//! refusal names those that it has.

use super::{CaVerb, Command, ConfigVerb, KekVerb, KeysVerb};

/// Form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON value for scripts.
    Json,
    /// The same value in YAML 1.2.
    Yaml,
    /// One JSON value a line: one for each thing of a list.
    Jsonl,
    /// The columns of the table, by RFC 4180.
    Csv,
    /// Names alone, a line each: what other verbs take.
    Name,
    /// A settings file.
    Toml,
}

/// Of things that have columns and a name.
const THINGS: &[Format] = &[
    Format::Table,
    Format::Json,
    Format::Yaml,
    Format::Jsonl,
    Format::Csv,
    Format::Name,
];
/// Of reports, and of answers that may carry a secret.
const REPORTS: &[Format] = &[Format::Table, Format::Json, Format::Yaml, Format::Jsonl];
const SETTINGS: &[Format] = &[Format::Table, Format::Json, Format::Yaml, Format::Toml];
/// Of what is read as it comes.
const LINES: &[Format] = &[Format::Table];

impl Format {
    const ALL: [Self; 7] = [
        Self::Table,
        Self::Json,
        Self::Yaml,
        Self::Jsonl,
        Self::Csv,
        Self::Name,
        Self::Toml,
    ];

    /// The word of the flag.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Name => "name",
            Self::Toml => "toml",
        }
    }

    /// The form of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }
}

impl Command {
    /// The forms that this command has; the first one is its default.
    pub fn formats(&self) -> &'static [Format] {
        match self {
            Self::Certs(_)
            | Self::Jobs(_)
            | Self::Lanes(_)
            | Self::Operations(_)
            | Self::Issuers(_)
            | Self::Profiles(_) => THINGS,
            Self::Keys(KeysVerb::Add(_) | KeysVerb::Rotate(_) | KeysVerb::Bootstrap(_)) => REPORTS,
            Self::Keys(_) | Self::Ca(CaVerb::List(_)) | Self::Kek(KekVerb::List(_)) => THINGS,
            Self::Config(ConfigVerb::Show { .. }) => SETTINGS,
            Self::Config(ConfigVerb::Docs) | Self::Demo(_) => LINES,
            Self::Status { .. }
            | Self::Cluster
            | Self::Reconcile(_)
            | Self::Explain { .. }
            | Self::Doctor(_)
            | Self::Config(ConfigVerb::Check(_))
            | Self::Ca(_)
            | Self::Kek(_)
            | Self::Role(_) => REPORTS,
        }
    }
}

/// Why this word is none of the forms that are offered; `None` if it is one.
pub fn refusal(word: &str, offered: &[Format]) -> Option<String> {
    if Format::parse(word).is_some_and(|form| offered.contains(&form)) {
        return None;
    }
    let words: Vec<&str> = offered.iter().map(|form| form.as_str()).collect();
    let shown: String = word.chars().take(64).collect();
    Some(match words.as_slice() {
        [only] => format!("`{shown}` is no form of this command, which has `{only}` alone"),
        several => format!(
            "`{shown}` is no form of this command; it has {}",
            several.join(", ")
        ),
    })
}
