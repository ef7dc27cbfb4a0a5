//! Comments that must not be: unfinished work, tickets, dates, line numbers, history, dead code.
//! Invariant: examples in back-ticks and fenced blocks of docstrings are left alone.

use super::comments::Comment;
use super::rule::{Fault, Rule};

/// Faults of the comments of one file; `rust` also looks for commented-out code.
pub fn check(path: &str, comments: &[Comment], rust: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fenced = false;
    for comment in comments {
        if comment.doc && comment.text.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced && comment.doc {
            continue;
        }
        fenced = false;
        let shown = without_code(&comment.text);
        let found = RULES
            .iter()
            .filter_map(|(rule, find)| find(&shown).map(|what| (*rule, what)));
        faults.extend(found.map(|(rule, what)| Fault::new(rule, path, comment.line, what)));
        if rust && !comment.doc && is_code(&comment.text) {
            let what = format!("commented-out code `{}`", comment.text);
            faults.push(Fault::new(Rule::CommentedCode, path, comment.line, what));
        }
    }
    faults
}

type Finder = fn(&str) -> Option<String>;

const RULES: [(Rule, Finder); 6] = [
    (Rule::Unfinished, unfinished),
    (Rule::Ticket, ticket),
    (Rule::Date, date),
    (Rule::LineNumber, line_number),
    (Rule::History, history),
    (Rule::Promise, promise),
];

/// The text with everything between back-ticks removed.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

fn unfinished(text: &str) -> Option<String> {
    let marks = ["TODO", "FIXME", "XXX", "HACK"];
    let mark = words(text).into_iter().find(|word| marks.contains(word))?;
    Some(format!("comment says {mark}"))
}

fn ticket(text: &str) -> Option<String> {
    let numbered = ["issue", "ticket", "phase", "bundle", "milestone", "sprint"];
    if let Some((kind, number)) = numbered_word(text, &numbered) {
        return Some(format!("comment names {kind} {number}"));
    }
    let chars: Vec<char> = text.chars().collect();
    let hash = (0..chars.len()).find(|&at| {
        let free = at == 0 || matches!(chars[at - 1], ' ' | '(' | '[' | ',');
        let pkcs = chars[..at]
            .iter()
            .collect::<String>()
            .trim_end()
            .ends_with("PKCS");
        chars[at] == '#' && free && !pkcs && chars.get(at + 1).is_some_and(char::is_ascii_digit)
    })?;
    let number: String = chars[hash..]
        .iter()
        .take_while(|c| !c.is_whitespace())
        .collect();
    Some(format!("comment names {number}"))
}

fn date(text: &str) -> Option<String> {
    let found = text
        .split(|c: char| !(c.is_ascii_digit() || c == '-'))
        .find(|run| {
            let parts: Vec<&str> = run.split('-').collect();
            let sizes: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            sizes == [4, 2, 2] && (parts[0].starts_with("19") || parts[0].starts_with("20"))
        })?;
    Some(format!("comment names the date {found}"))
}

/// `line 12`, but not `line 8 of the pid file`, which is a format.
fn line_number(text: &str) -> Option<String> {
    let (_, number) = numbered_word(text, &["line", "lines"])?;
    let format = text.contains(&format!("{number} of "));
    (!format).then(|| format!("comment points at line {number}"))
}

/// The first of these words that a number follows, with nothing but a blank between.
fn numbered_word<'a>(text: &'a str, words: &[&str]) -> Option<(&'a str, &'a str)> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    parts.windows(2).find_map(|pair| {
        let word = pair[0].trim_start_matches(|c: char| !c.is_alphanumeric());
        let number = pair[1].trim_matches(|c: char| !c.is_alphanumeric());
        let listed = words.contains(&word.to_lowercase().as_str());
        let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        (listed && digits).then_some((word, number))
    })
}

fn history(text: &str) -> Option<String> {
    let phrases = [
        "used to be ",
        "was renamed",
        "was moved",
        "refactored",
        "formerly",
        "for now",
        "as discussed",
    ];
    let lower = text.to_lowercase();
    let phrase = phrases.into_iter().find(|phrase| lower.contains(phrase))?;
    Some(format!(
        "comment tells history or a stopgap (\"{}\")",
        phrase.trim()
    ))
}

/// Also used for pages and messages.
pub fn promise(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let banned = [concat!("exactly", " once"), concat!("exactly", "-once")];
    banned
        .into_iter()
        .find(|phrase| lower.contains(phrase))
        .map(|phrase| format!("says \"{phrase}\""))
}

/// Whether a comment line is Rust rather than prose: it ends like code and parses like code.
fn is_code(text: &str) -> bool {
    if text.starts_with('{') || !text.ends_with([';', '{', '}']) {
        return false;
    }
    if text.chars().all(|c| "{}();".contains(c)) {
        return true;
    }
    let closed = if text.ends_with('{') {
        format!("{text} }}")
    } else {
        text.to_owned()
    };
    let meaty = text.contains(['(', '=', ':', '{']) || text.contains(' ');
    let body = format!("async fn f() {{ {closed} }}");
    meaty
        && (syn::parse_str::<syn::ItemFn>(&body).is_ok()
            || syn::parse_str::<syn::File>(&closed).is_ok())
}
