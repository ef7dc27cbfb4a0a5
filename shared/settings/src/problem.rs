//! What is wrong with the settings, in words that say what to do.
//!
//! Invariant: shown values are cut at 64 characters and are never those of a secret; a problem is
//! one line, whatever a path or a key holds, and plays no tricks with a terminal.

use std::fmt;

/// One fault: what, where, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting or file concerned.
    pub what: String,
    /// Where it came from: `certmill.toml line 3`, `env CERTMILL_LISTEN`, `flag --listen`.
    pub where_: String,
    /// Why it is refused.
    pub why: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    pub(crate) fn new(
        what: impl Into<String>,
        where_: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            what: plain(what.into()),
            where_: plain(where_.into()),
            why: plain(why.into()),
            hint: plain(hint.into()),
        }
    }
}

/// The longest part of a problem, in characters: a long path still fits.
const PART_MAX: usize = 400;

/// The text with control and direction marks escaped, and cut.
fn plain(text: String) -> String {
    let marks = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.len() <= PART_MAX && !text.contains(marks) {
        return text;
    }
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == PART_MAX {
            out.push('…');
            break;
        }
        if marks(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.what, self.where_, self.why)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.hint)
        }
    }
}

/// Why no settings came out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line itself is wrong (exit code 2).
    #[error("{0}")]
    Usage(Problem),
    /// Everything that is wrong, all at once (exit code 3).
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
}

impl Error {
    /// The exit code that the interfaces promise: 2 for usage, 3 for bad settings.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Invalid(_) => 3,
        }
    }

    /// All problems, for callers that print them line by line.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Usage(problem) => std::slice::from_ref(problem),
            Self::Invalid(problems) => problems,
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A value as it may be shown: control characters escaped, cut at 64 characters.
pub(crate) fn shown(value: &str) -> String {
    let mut out: String = value
        .chars()
        .take(64)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().count() > 64 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_plain_line() {
        let path = format!("/a\u{1b}[2J\n\u{202e}{}", "x".repeat(5000));
        let problem = Problem::new("file", path, "cannot be read", "");
        let text = problem.to_string();
        assert!(text.contains("/a\\u{1b}[2J\\u{a}\\u{202e}xxx"), "{text}");
        assert!(text.chars().count() < 600);
    }

    #[test]
    fn values_are_cut_and_escaped() {
        assert_eq!(shown("a\nb"), "a\\nb");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 65);
    }
}
